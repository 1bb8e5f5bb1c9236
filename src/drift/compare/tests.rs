//! Whole values under the rules of a class.

use proptest::prelude::*;

use super::*;
use crate::estate::Classes;

fn value(yaml: &str) -> Value {
    serde_yaml::from_str(yaml).unwrap()
}

fn rules() -> AttributeRules {
    Classes::resolve(&[]).0.get("virtual-machine").unwrap().rules.clone()
}

fn attribute(name: &str) -> AttributeRules {
    rules_of(&rules(), name).clone()
}

fn scalar(compare: Option<Compare>) -> AttributeRules {
    AttributeRules { rule: AttributeRule { compare, ..AttributeRule::default() }, ..AttributeRules::default() }
}

const ALL: [Option<Compare>; 10] = [
    None,
    Some(Compare::Quantity),
    Some(Compare::Number),
    Some(Compare::Version),
    Some(Compare::Mac),
    Some(Compare::Ip),
    Some(Compare::HostName),
    Some(Compare::CaseInsensitive),
    Some(Compare::Text),
    Some(Compare::Never),
];

#[test]
fn without_a_rule_values_compare_as_json_does_and_numbers_by_number() {
    for (one, other, expected) in
        [("8", "8.0", true), ("8", "'8'", false), ("true", "true", true), ("true", "'true'", false), ("a", "A", false), ("[1, 2]", "[2, 1]", false)]
    {
        assert_eq!(equal(&PLAIN, &value(one), &value(other)), expected, "{one} {other}");
    }
}

#[test]
fn a_class_that_names_a_meaning_compares_numbers_and_text_alike() {
    assert!(equal(&attribute("cpus"), &value("'8'"), &value("8")));
    assert!(equal(&scalar(Some(Compare::Text)), &value("12"), &value("'12'")));
    assert!(equal(&scalar(Some(Compare::CaseInsensitive)), &value("true"), &value("'True'")));
    assert!(equal(&attribute("memory"), &value("17179869184"), &value("16Gi")));
}

#[test]
fn what_says_nothing_contradicts_nothing() {
    for nothing in ["null", "''", "[]", "{}", "[null, '']"] {
        for compare in ALL {
            let rules = scalar(compare);
            assert!(equal(&rules, &value(nothing), &value("x")) && equal(&rules, &value("x"), &value(nothing)), "{nothing} {compare:?}");
        }
    }
    assert!(equal(&scalar(Some(Compare::Ip)), &value("10.0.0.1"), &value("not an address")));
    assert!(!equal(&scalar(Some(Compare::Ip)), &value("not an address"), &value("10.0.0.1")), "a slip in the declaration is not hidden");
}

#[test]
fn only_the_smallest_paths_that_differ_are_told() {
    let found = differences(
        &attribute("os"),
        "attributes.os",
        &value("{name: debian, version: '12', kernel: x, extra: 1}"),
        &value("{name: Debian, version: '13', kernel: null, more: 2}"),
    );
    assert_eq!(found, [Difference { path: "attributes.os.version".into(), declared: value("'12'"), found: value("'13'") }]);
}

#[test]
fn a_list_differs_as_a_whole_and_a_set_is_shown_in_one_stable_order() {
    let rules = attribute("macAddresses");
    let (declared, found) = (value("['00:50:56:AA:00:02', '00:50:56:AA:00:01']"), "['00:50:56:aa:00:09', '00:50:56:aa:00:01', '00:50:56:aa:00:03']");
    let told = differences(&rules, "m", &declared, &value(found));
    assert_eq!(told.len(), 1);
    assert_eq!(told[0].found, value("['00:50:56:AA:00:01', '00:50:56:aa:00:03', '00:50:56:aa:00:09']"));
    let other_order = value("['00:50:56:aa:00:03', '00:50:56:aa:00:09', '00:50:56:aa:00:01', '00:50:56:AA:00:01']");
    assert_eq!(differences(&rules, "m", &declared, &other_order)[0].found, told[0].found);
}

#[test]
fn sets_of_maps_compare_what_is_declared_of_each() {
    let rules = attribute("disks");
    let declared = value("[{name: a, size: 1Gi}, {name: b, size: 2Gi}]");
    assert!(equal(&rules, &declared, &value("[{name: b, size: 2048Mi, free: 1Gi}, {name: a, size: 1024Mi, bus: scsi}]")));
    assert!(!equal(&rules, &declared, &value("[{name: b, size: 2Gi}, {name: a}]")), "in a list a value is what it says");
    assert!(!equal(&rules, &declared, &value("[{name: b, size: 2Gi}]")));
}

#[test]
fn long_sets_compare_in_bounded_time_and_right() {
    let packages = |range: std::ops::Range<u32>, extra: &str| -> Value {
        range
            .map(|n| serde_json::json!({"name": format!("p{n}"), "version": format!("{n}")}))
            .map(|mut json| {
                json[extra] = true.into();
                Value::from(json)
            })
            .collect()
    };
    let rules = attribute("disks");
    let found: Vec<Value> = packages(0..3000, "architecture").as_list().unwrap().iter().rev().cloned().collect();
    let declared = value(&serde_json::to_string(&packages(0..3000, "name2")).unwrap().replace(",\"name2\":true", ""));
    assert!(equal(&rules, &declared, &found.iter().cloned().collect()));
    assert!(!equal(&rules, &declared, &found[1..].iter().cloned().collect()));
    assert!(!equal(&rules, &packages(0..50_000, "a"), &packages(50_000..100_000, "b")));
}

#[test]
fn one_value_is_the_set_of_it() {
    assert!(equal(&attribute("ipAddresses"), &value("10.0.0.1"), &value("['::ffff:10.0.0.1']")));
    assert!(!equal(&attribute("ipAddresses"), &value("10.0.0.1"), &value("[10.0.0.1, 10.0.0.2]")));
}

#[test]
fn a_sensitive_map_is_not_looked_into() {
    let mut rules = scalar(None);
    rules.rule.sensitive = true;
    let told = differences(&rules, "secret", &value("{a: 1, b: 2}"), &value("{a: 1, b: 3}"));
    assert_eq!(told.iter().map(|told| told.path.as_str()).collect::<Vec<_>>(), ["secret"]);
}

#[test]
fn nothing_volatile_or_sensitive_is_presentable() {
    let attributes = value("{cpus: 4, uptime: 7, adminPassword: x, disks: [{name: a, free: 1Gi}], tags: []}");
    assert_eq!(Value::Map(presentable(&rules(), attributes.as_map().unwrap())), value("{cpus: 4, disks: [{name: a}]}"));
}

fn scalars() -> impl Strategy<Value = Value> {
    let text = prop_oneof![
        "[0-9]{1,3}(\\.[0-9]{1,2})?( ?(Ki|Mi|G|m|GB|MiB|k))?",
        "[0-9a-fA-F]{2}([:-][0-9a-fA-F]{2}){5}",
        "10\\.0\\.0\\.[0-9](/(24|32))?",
        "(::ffff:|fd00::)[0-9a-f]{1,2}",
        "v?[0-9]\\.0{0,2}(-rc1)?",
        "[a-bA-B](\\.[a-b])?\\.?",
        "\\PC{0,6}",
    ];
    prop_oneof![
        text.prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<bool>().prop_map(Value::from),
        any::<f64>().prop_map(|number| value(&serde_json::to_string(&number).unwrap()))
    ]
}

proptest! {
    #[test]
    fn a_value_is_equal_to_itself(value in scalars()) {
        for compare in ALL {
            prop_assert!(equal(&scalar(compare), &value, &value), "{compare:?}");
        }
    }

    #[test]
    fn comparing_does_not_depend_on_the_side(one in scalars(), other in scalars()) {
        for compare in ALL {
            let rules = scalar(compare);
            // An address that is none says nothing, and then the sides do matter.
            if !says_nothing(&rules, &one) && !says_nothing(&rules, &other) {
                prop_assert_eq!(equal(&rules, &one, &other), equal(&rules, &other, &one), "{:?}", compare);
            }
        }
    }

    #[test]
    fn equal_values_have_one_spelling_and_others_have_another(one in scalars(), other in scalars()) {
        for compare in ALL.into_iter().filter(|compare| !matches!(compare, Some(Compare::HostName | Compare::Never))) {
            let rules = scalar(compare);
            if !says_nothing(&rules, &one) && !says_nothing(&rules, &other) {
                prop_assert_eq!(equal(&rules, &one, &other), canonical(&rules, &one) == canonical(&rules, &other), "{:?}", compare);
            }
        }
    }

    #[test]
    fn a_set_is_equal_to_itself_in_any_order(list in prop::collection::vec(scalars(), 0..20), seed in any::<prop::sample::Index>()) {
        let mut rules = scalar(Some(Compare::Ip));
        rules.rule.list = Some(ListOrder::Set);
        let mut turned = list.clone();
        if !turned.is_empty() {
            let by = seed.index(turned.len());
            turned.rotate_left(by);
            turned.push(list[0].clone());
        }
        let (one, other): (Value, Value) = (list.into_iter().collect(), turned.into_iter().collect());
        prop_assert!(equal(&rules, &one, &other) && equal(&rules, &other, &one));
    }

    #[test]
    fn nothing_that_a_source_may_say_ends_in_a_panic(one in "\\PC{0,40}", other in "\\PC{0,40}") {
        for compare in ALL {
            let rules = scalar(compare);
            let (one, other) = (Value::from(one.as_str()), Value::from(other.as_str()));
            let _ = (differences(&rules, "a", &one, &other), canonical(&rules, &one));
        }
    }
}
