//! The forge of an estate, as verbs open it.

use bowline::controller::opening::{Keeper, Opened};
use bowline::controller::reading::Commit;
use bowline::estate::Estate;
use bowline::failure::Failure;
use bowline::forge::Person;

use super::options::Options;
use super::session;

/// The forge of an estate, once.
pub fn open(options: &Options, estate: &Estate, at: Option<&Commit>) -> Result<Opened, Failure> {
    open_with(&mut Keeper::default(), options, estate, at)
}

/// The forge of an estate, by what an earlier pass has kept of it.
pub fn open_with(keeper: &mut Keeper, options: &Options, estate: &Estate, at: Option<&Commit>) -> Result<Opened, Failure> {
    keeper.open(estate, at, &session::credentials(options)?, &session::access(options)?)
}

/// Who decides, as git knows the user of this machine.
pub fn person(at: Option<&Commit>) -> Option<Person> {
    let of_repository = at.filter(|at| !at.remote).and_then(|at| git2::Repository::open(&at.repository).ok()?.config().ok());
    let config = of_repository.or_else(|| git2::Config::open_default().ok())?.snapshot().ok()?;
    let named = |name: &str| config.get_str(name).ok().map(str::trim).filter(|value| !value.is_empty()).map(str::to_owned);
    Some(Person { name: named("user.name")?, email: named("user.email")? })
}
