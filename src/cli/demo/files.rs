//! The files of `examples/harbour`, built into the program so that the demo needs nothing but it.

macro_rules! harbour {
    ($($path:literal),* $(,)?) => {
        /// Path below the estate's root, and text.
        pub const HARBOUR: &[(&str, &str)] = &[$(($path, include_str!(concat!("../../../examples/harbour/", $path)))),*];
    };
}

harbour![
    "bowline.yaml",
    "classes/handheld.yaml",
    "items/bookings.yaml",
    "items/customs.yaml",
    "items/handhelds.yaml",
    "items/hardware.yaml",
    "items/platform.yaml",
    "items/quay.yaml",
    "items/workloads.yaml",
    "observed/assets.csv",
    "observed/deployments.json",
    "observed/handhelds.csv",
    "observed/inventory.ndjson",
    "observed/vcenter.json",
    "policies/tls.yaml",
    "services/berth-booking.yaml",
    "services/customs-gateway.yaml",
    "sources/sources.yaml",
    "windows/windows.yaml",
];

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::path::Path;

    /// The certificates are made afresh by the demo.
    #[test]
    fn the_demo_carries_every_file_of_the_example() {
        fn walk(folder: &Path, root: &Path, found: &mut BTreeSet<String>) {
            for entry in std::fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    walk(&path, root, found);
                } else {
                    found.insert(path.strip_prefix(root).unwrap().to_string_lossy().replace('\\', "/"));
                }
            }
        }
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/harbour");
        let mut found = BTreeSet::new();
        walk(&root, &root, &mut found);
        found.retain(|path| !path.starts_with("certificates/"));
        let carried: BTreeSet<String> = super::HARBOUR.iter().map(|(path, _)| (*path).to_owned()).collect();
        assert_eq!(carried, found);
    }
}
