//! Refusing the one kind of recursion that a budget of steps does not bound well enough.
//!
//! A definition that takes a filter and calls itself (`def f(g): f(g | g); …`) hangs each filter on the one before. The
//! chain is as long as there are steps, and letting go of it takes stack for every link, where no step is counted.

use jaq_core::load::lex::StrPart;
use jaq_core::load::parse::{BinaryOp, Def, Pattern, Term};
use jaq_core::path::Part;

/// The call, as it stands in the expression, by which a definition that takes a filter calls itself.
pub(super) fn find<'s>(term: &Term<&'s str>) -> Option<&'s str> {
    Search::default().term(term)
}

/// The definitions within which the search stands: name, number of parameters, and whether one is a filter.
#[derive(Default)]
struct Search<'s> {
    within: Vec<(&'s str, usize, bool)>,
}

impl<'s> Search<'s> {
    fn term(&mut self, term: &Term<&'s str>) -> Option<&'s str> {
        match term {
            Term::Id | Term::Recurse | Term::Num(_) | Term::Break(_) | Term::Var(_) | Term::Arr(None) => None,
            Term::Str(_, parts) => parts.iter().find_map(|part| match part {
                StrPart::Term(term) => self.term(term),
                StrPart::Str(_) | StrPart::Char(_) => None,
            }),
            Term::Arr(Some(inner)) | Term::Neg(inner) | Term::Label(_, inner) => self.term(inner),
            Term::Obj(members) => members.iter().find_map(|(name, value)| self.term(name).or_else(|| self.term(value.as_ref()?))),
            Term::BinOp(left, operator, right) => self.term(left).or_else(|| self.operator(operator)).or_else(|| self.term(right)),
            Term::Fold(_, source, pattern, arguments) => self.term(source).or_else(|| self.pattern(pattern)).or_else(|| self.terms(arguments)),
            Term::TryCatch(body, catch) => self.term(body).or_else(|| self.term(catch.as_ref()?)),
            Term::IfThenElse(branches, otherwise) => {
                let branches = branches.iter().find_map(|(condition, then)| self.term(condition).or_else(|| self.term(then)));
                branches.or_else(|| self.term(otherwise.as_ref()?))
            }
            Term::Def(definitions, body) => definitions.iter().find_map(|definition| self.definition(definition)).or_else(|| self.term(body)),
            Term::Call(name, arguments) => {
                let again = self.within.iter().any(|(known, count, filters)| *filters && known == name && *count == arguments.len());
                if again { Some(name) } else { self.terms(arguments) }
            }
            Term::Path(head, path) => self.term(head).or_else(|| path.0.iter().find_map(|(part, _)| self.part(part))),
        }
    }

    fn terms(&mut self, terms: &[Term<&'s str>]) -> Option<&'s str> {
        terms.iter().find_map(|term| self.term(term))
    }

    fn definition(&mut self, definition: &Def<&'s str>) -> Option<&'s str> {
        let filters = definition.args.iter().any(|parameter| !parameter.starts_with('$'));
        self.within.push((definition.name, definition.args.len(), filters));
        let found = self.term(&definition.body);
        self.within.pop();
        found
    }

    fn operator(&mut self, operator: &BinaryOp<&'s str>) -> Option<&'s str> {
        match operator {
            BinaryOp::Pipe(Some(pattern)) => self.pattern(pattern),
            _ => None,
        }
    }

    fn pattern(&mut self, pattern: &Pattern<&'s str>) -> Option<&'s str> {
        match pattern {
            Pattern::Var(_) => None,
            Pattern::Arr(patterns) => patterns.iter().find_map(|pattern| self.pattern(pattern)),
            Pattern::Obj(members) => members.iter().find_map(|(name, pattern)| self.term(name).or_else(|| self.pattern(pattern))),
        }
    }

    fn part(&mut self, part: &Part<Term<&'s str>>) -> Option<&'s str> {
        match part {
            Part::Index(term) => self.term(term),
            Part::Range(from, to) => from.iter().chain(to).find_map(|term| self.term(term)),
        }
    }
}
