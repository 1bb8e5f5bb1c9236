//! Certificate files below the estate's root: by patterns, and read within bounds. Nothing outside the root is read.

use std::collections::BTreeSet;
use std::fs;
use std::io::Read;
use std::path::{Component, Path, PathBuf};

use crate::api::Text;
use crate::discovery::patterns::{self, Bounds, Named};

/// The largest file that is read, in bytes.
const FILE: u64 = 1024 * 1024;
/// The most files that are read.
const FILES: usize = 10_000;

/// The estate's root.
pub struct Root(PathBuf);

impl Root {
    /// The root, its symbolic links resolved.
    pub fn open(root: &Path) -> Result<Self, String> {
        root.canonicalize().map(Self).map_err(|error| format!("the estate's root cannot be read: {}", error.kind()))
    }

    /// The files that the patterns name, by their path below the root with `/`, and what is wrong with which pattern.
    /// A pattern with a wildcard may match nothing; a path without one must be there.
    pub fn files(&self, patterns: &[Text]) -> (BTreeSet<String>, Vec<String>) {
        let (mut files, mut errors) = (BTreeSet::new(), Vec::new());
        for pattern in patterns {
            match self.matching(pattern) {
                Ok(named) => {
                    files.extend(named.files);
                    errors.extend(named.faults.iter().map(|fault| format!("{pattern}: {fault}")));
                }
                Err(error) => errors.push(format!("{pattern}: {error}")),
            }
        }
        while files.len() > FILES {
            files.pop_last();
            if errors.last().is_none_or(|last| !last.starts_with("files: ")) {
                errors.push(format!("files: more than {FILES} match; only the first {FILES} were read"));
            }
        }
        (files, errors)
    }

    fn matching(&self, pattern: &str) -> Result<Named, String> {
        if patterns::is_pattern(pattern) {
            return patterns::matching(pattern, Bounds { files: FILES, hidden: true }, |folder| self.inside(folder));
        }
        let path = patterns::below_root(pattern)?;
        Ok(Named { files: BTreeSet::from([path.to_owned()]), ..Named::default() })
    }

    /// The bytes of a file below the root.
    pub fn read(&self, path: &str) -> Result<Vec<u8>, String> {
        if !Path::new(path).components().all(|part| matches!(part, Component::Normal(_) | Component::CurDir)) {
            return Err("a path stays below the estate's root: it is relative and has no `..`".into());
        }
        let resolved = self.inside(path)?;
        // A named pipe or a device could block or never end.
        if !fs::metadata(&resolved).is_ok_and(|about| about.is_file()) {
            return Err("it is not a file".into());
        }
        let file = fs::File::open(&resolved).map_err(|error| format!("it cannot be read: {}", error.kind()))?;
        let mut bytes = Vec::new();
        file.take(FILE + 1).read_to_end(&mut bytes).map_err(|error| format!("it cannot be read: {}", error.kind()))?;
        if bytes.len() as u64 > FILE { Err("it is larger than 1 MiB".into()) } else { Ok(bytes) }
    }

    fn inside(&self, path: &str) -> Result<PathBuf, String> {
        let resolved = self.0.join(path).canonicalize().map_err(|error| format!("it cannot be read: {}", error.kind()))?;
        if resolved.starts_with(&self.0) { Ok(resolved) } else { Err("it leads out of the estate's root, which is never read".into()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn root(files: &[&str]) -> (tempfile::TempDir, Root) {
        let folder = tempfile::tempdir().unwrap();
        for file in files {
            let path = folder.path().join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, file).unwrap();
        }
        let root = Root::open(folder.path()).unwrap();
        (folder, root)
    }

    fn names(root: &Root, pattern: &str) -> Vec<String> {
        let (files, errors) = root.files(&[pattern.into()]);
        assert!(errors.is_empty(), "{errors:?}");
        files.into_iter().collect()
    }

    #[test]
    fn one_star_stays_in_its_folder_and_two_enter_all() {
        let (_folder, root) = root(&["certs/a.pem", "certs/b.crt", "certs/deep/c.pem", "certs/deep/er/d.pem", "a.pem"]);
        assert_eq!(names(&root, "certs/*.pem"), ["certs/a.pem"]);
        assert_eq!(names(&root, "certs/**/*.pem"), ["certs/a.pem", "certs/deep/c.pem", "certs/deep/er/d.pem"]);
        assert_eq!(names(&root, "*/*/*"), ["certs/deep/c.pem"]);
        assert_eq!(names(&root, "./certs/b.crt"), ["certs/b.crt"]);
        assert!(names(&root, "certs/*.der").is_empty());
    }

    #[test]
    fn nothing_outside_the_root_is_read() {
        let (outside, _) = root(&["secret.pem"]);
        let (folder, root) = root(&["certs/a.pem"]);
        std::os::unix::fs::symlink(outside.path().join("secret.pem"), folder.path().join("certs/link.pem")).unwrap();
        std::os::unix::fs::symlink(outside.path(), folder.path().join("out")).unwrap();
        std::os::unix::fs::symlink("a.pem", folder.path().join("certs/inside.pem")).unwrap();
        assert!(root.read("certs/link.pem").unwrap_err().contains("out of the estate's root"));
        assert!(root.read("out/secret.pem").unwrap_err().contains("out of the estate's root"));
        assert!(root.read("../x.pem").unwrap_err().contains("below the estate's root"));
        assert_eq!(root.read("certs/inside.pem").unwrap(), b"certs/a.pem");
        for pattern in ["../*.pem", "/etc/*", "certs/../../*.pem", "out/*.pem", ""] {
            let (files, errors) = root.files(&[pattern.into()]);
            assert!(files.is_empty() && errors.len() == 1, "{pattern}: {files:?} {errors:?}");
        }
    }

    #[test]
    fn a_loop_of_links_and_a_file_over_the_limit_end_in_bounded_time() {
        let (folder, root) = root(&["certs/a.pem"]);
        std::os::unix::fs::symlink(folder.path(), folder.path().join("certs/loop")).unwrap();
        assert_eq!(names(&root, "**/*.pem"), ["certs/a.pem"]);
        fs::write(folder.path().join("certs/large.pem"), vec![b'x'; 1024 * 1024 + 1]).unwrap();
        assert!(root.read("certs/large.pem").unwrap_err().contains("1 MiB"));
        assert!(root.read("certs").unwrap_err().contains("not a file"));
        assert!(root.read("certs/none.pem").unwrap_err().contains("cannot be read"));
    }
}
