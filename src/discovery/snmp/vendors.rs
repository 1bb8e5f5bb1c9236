//! Whose device it is, by the number in its `sysObjectID` that IANA gave the maker. Pure.

/// Makers of network devices by their enterprise number, as far as there is little doubt which name they go by.
const MAKERS: [(u32, &str); 31] = [
    (9, "Cisco"),
    (11, "HP"),
    (43, "3Com"),
    (171, "D-Link"),
    (207, "Allied Telesis"),
    (248, "Hirschmann"),
    (318, "APC"),
    (674, "Dell"),
    (890, "Zyxel"),
    (1588, "Brocade"),
    (1916, "Extreme Networks"),
    (1991, "Foundry"),
    (2011, "Huawei"),
    (2620, "Check Point"),
    (2636, "Juniper"),
    (3224, "Juniper"),
    (3375, "F5"),
    (3902, "ZTE"),
    (4526, "Netgear"),
    (5624, "Enterasys"),
    (5951, "Citrix"),
    (6027, "Dell"),
    (6527, "Nokia"),
    (11863, "TP-Link"),
    (12356, "Fortinet"),
    (14823, "Aruba"),
    (14988, "MikroTik"),
    (25461, "Palo Alto Networks"),
    (25506, "H3C"),
    (30065, "Arista"),
    (41112, "Ubiquiti"),
];

/// The maker; none where it is not known, or where the number is that of the SNMP agent's own makers.
pub fn maker(object_id: &[u32]) -> Option<&'static str> {
    let [1, 3, 6, 1, 4, 1, number, ..] = object_id else { return None };
    MAKERS.iter().find(|(known, _)| known == number).map(|(_, name)| *name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_maker_is_known_by_its_number() {
        assert_eq!(maker(&[1, 3, 6, 1, 4, 1, 9, 1, 1208]), Some("Cisco"));
        assert_eq!(maker(&[1, 3, 6, 1, 4, 1, 8072, 3, 2, 10]), None, "net-snmp runs on any machine");
        assert_eq!((maker(&[1, 3, 6, 1, 4, 1]), maker(&[])), (None, None));
        assert!(MAKERS.is_sorted());
    }
}
