//! Installed packages, by name: dpkg's status file, or the answer of rpm.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use tokio::io::AsyncReadExt;
use tokio::process::Command;

use super::read_limited;

/// The largest list that is read, in bytes.
const LIST: u64 = 64 * 1024 * 1024;
/// What rpm is asked to say of each package; [`parse_rpm`] reads it.
pub(in crate::discovery) const RPM_FORMAT: &str = "%{NAME}\\t%{ARCH}\\t%|EPOCH?{%{EPOCH}:}:{}|%{VERSION}-%{RELEASE}\\n";
/// What dpkg-query is asked to say of each package; [`parse_dpkg_query`] reads it.
pub(in crate::discovery) const DPKG_FORMAT: &str = "${db:Status-Status}\\t${Package}\\t${Architecture}\\t${Version}\\n";
/// How long rpm may take.
const RPM_TIME: Duration = Duration::from_secs(30);

/// Packages to versions.
pub type Packages = BTreeMap<String, String>;

/// The installed packages. None where this machine has neither dpkg nor rpm.
pub async fn installed() -> Result<Option<Packages>, String> {
    if Path::new("/var/lib/dpkg/status").exists() {
        let text = tokio::task::spawn_blocking(|| read_limited(Path::new("/var/lib/dpkg/status"), LIST)).await.map_err(|_| "broken off".to_owned())??;
        return Ok(Some(parse_dpkg_status(&text)));
    }
    if ["/var/lib/rpm", "/usr/lib/sysimage/rpm"].iter().any(|place| Path::new(place).exists()) {
        return rpm().await.map(Some);
    }
    Ok(None)
}

async fn rpm() -> Result<Packages, String> {
    let mut child = Command::new("rpm")
        .args(["-qa", "--queryformat", RPM_FORMAT])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .map_err(|error| format!("rpm cannot be run: {}", error.kind()))?;
    let Some(output) = child.stdout.take() else { return Err("rpm has no output".into()) };
    let mut text = Vec::new();
    let read = async {
        output.take(LIST + 1).read_to_end(&mut text).await.map_err(|error| format!("rpm cannot be read: {}", error.kind()))?;
        if text.len() as u64 > LIST {
            return Err("rpm lists more than 64 MiB".to_owned());
        }
        let status = child.wait().await.map_err(|error| format!("rpm cannot be waited for: {}", error.kind()))?;
        if status.success() { Ok(()) } else { Err("rpm ended with an error".to_owned()) }
    };
    tokio::time::timeout(RPM_TIME, read).await.map_err(|_| format!("rpm gave no answer within {} s", RPM_TIME.as_secs()))??;
    Ok(parse_rpm(&String::from_utf8_lossy(&text)))
}

/// The packages of dpkg's status file (`dpkg-query(1)`) that are installed; those that are removed with their configuration
/// left, or half installed, are not.
pub fn parse_dpkg_status(text: &str) -> Packages {
    let mut found = Vec::new();
    for paragraph in text.split("\n\n") {
        let field = |name: &str| paragraph.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':')).map(str::trim);
        let installed = field("Status").is_some_and(|status| status.split_whitespace().nth(2) == Some("installed"));
        if let (true, Some(name), Some(version)) = (installed, field("Package"), field("Version")) {
            found.push((name, field("Architecture").unwrap_or_default(), version));
        }
    }
    by_name(found)
}

/// The installed packages of dpkg-query's answer: status, name, architecture and version a line, with tabs between.
pub fn parse_dpkg_query(text: &str) -> Packages {
    let line = |line| -> Option<(_, _, _)> {
        let mut parts = str::split(line, '\t');
        (parts.next()? == "installed").then_some(())?;
        Some((parts.next()?, parts.next()?, parts.next().map(str::trim).filter(|version| !version.is_empty())?))
    };
    by_name(text.lines().filter_map(line).collect())
}

/// The packages of rpm's answer: name, architecture and version a line, with tabs between. Public keys, which rpm lists as
/// packages, are none.
pub fn parse_rpm(text: &str) -> Packages {
    let line = |line| -> Option<(_, _, _)> {
        let mut parts = str::split(line, '\t');
        Some((parts.next()?, parts.next()?, parts.next()?.trim()))
    };
    by_name(text.lines().filter_map(line).filter(|(name, _, _)| *name != "gpg-pubkey").collect())
}

/// A package that is installed for several architectures is named with each (`libc6:i386`); several versions at once, as
/// of rpm's kernels, stand together in their order.
fn by_name(mut found: Vec<(&str, &str, &str)>) -> Packages {
    found.sort_unstable();
    found.dedup();
    let mut architectures: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for (name, architecture, _) in &found {
        let known = architectures.entry(name).or_default();
        if !known.contains(architecture) {
            known.push(architecture);
        }
    }
    let mut packages = Packages::new();
    for (name, architecture, version) in found {
        let several = architectures.get(name).is_some_and(|known| known.len() > 1);
        let name = if several { format!("{name}:{architecture}") } else { name.to_owned() };
        packages.entry(name).and_modify(|versions| *versions = format!("{versions}, {version}")).or_insert_with(|| version.to_owned());
    }
    packages
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(packages: Packages) -> Vec<(String, String)> {
        packages.into_iter().collect()
    }

    #[test]
    fn only_what_dpkg_calls_installed_is_a_package() {
        let status = "Package: adduser\nStatus: install ok installed\nArchitecture: all\nVersion: 3.134\nDescription: add\n Version: 9\n\n\
                      Package: old\nStatus: deinstall ok config-files\nVersion: 1\n\n\
                      Package: half\nStatus: install ok half-installed\nVersion: 1\n\n\
                      Package: held\nStatus: hold ok installed\nArchitecture: amd64\nVersion: 1:2.3-4~deb12u1\n\n\
                      Package: nameless-version\nStatus: install ok installed\n";
        let expected = [("adduser", "3.134"), ("held", "1:2.3-4~deb12u1")].map(|(name, version)| (name.to_owned(), version.to_owned()));
        assert_eq!(list(parse_dpkg_status(status)), expected);
        assert!(parse_dpkg_status("").is_empty());
    }

    #[test]
    fn dpkg_query_says_the_same_as_the_file() {
        let answer = "installed\tadduser\tall\t3.134\nconfig-files\told\tall\t1\nnot-installed\tx\t\t\ninstalled\theld\tamd64\t1:2.3-4~deb12u1\ninstalled\tlibc6\ti386\t2\ninstalled\tlibc6\tamd64\t2\nbroken\n";
        let expected = [("adduser", "3.134"), ("held", "1:2.3-4~deb12u1"), ("libc6:amd64", "2"), ("libc6:i386", "2")];
        assert_eq!(list(parse_dpkg_query(answer)), expected.map(|(name, version)| (name.to_owned(), version.to_owned())));
    }

    #[test]
    fn a_package_of_two_architectures_is_two() {
        let paragraph = |arch: &str, version: &str| format!("Package: libc6\nStatus: install ok installed\nArchitecture: {arch}\nVersion: {version}\n\n");
        let packages = parse_dpkg_status(&(paragraph("i386", "2.36-8") + &paragraph("amd64", "2.36-9")));
        assert_eq!(list(packages), [("libc6:amd64".to_owned(), "2.36-9".to_owned()), ("libc6:i386".to_owned(), "2.36-8".to_owned())]);
    }

    #[test]
    fn rpm_kernels_stand_together_and_keys_are_no_packages() {
        let text = "kernel\tx86_64\t5.14.0-2\nbash\tx86_64\t5.1-4\nkernel\tx86_64\t5.14.0-1\ngpg-pubkey\t(none)\t1-2\nbind\tx86_64\t32:9.16-1\nbroken\n";
        let expected =
            [("bash", "5.1-4"), ("bind", "32:9.16-1"), ("kernel", "5.14.0-1, 5.14.0-2")].map(|(name, version)| (name.to_owned(), version.to_owned()));
        assert_eq!(list(parse_rpm(text)), expected);
    }
}
