//! Machines that write without an end, never answer, let nothing be run, or are none.

use std::io::Write;
use std::time::{Duration, Instant};

use super::{Asked, key, spec};
use crate::peers::sshd::Sshd;

/// What a server that runs only this says of itself.
async fn forced(command: &str, more: &str) -> Option<(String, Duration)> {
    let folder = tempfile::tempdir().unwrap();
    let server = Sshd::start_with(folder.path(), &format!("ForceCommand {command}\n"))?;
    let begun = Instant::now();
    let answer = Asked::new(&spec(&[&server], more), key(&server, true)).observe().await;
    assert!(!answer.complete && answer.items.is_empty(), "{answer:?}");
    Some((answer.error.unwrap().to_string(), begun.elapsed()))
}

#[tokio::test]
async fn what_is_written_without_an_end_is_cut_short_and_no_answer() {
    let Some((error, _)) = forced("yes", "").await else { return };
    assert!(error.contains("`uname -snrm` writes more than 4 MiB"), "{error}");
}

#[tokio::test]
async fn a_command_that_never_ends_is_given_up_with_its_machine() {
    let Some((error, took)) = forced("sleep 600", ", each: 4s").await else { return };
    assert!(error.contains("no answer within 4 s") && took < Duration::from_secs(30), "{error}");
}

#[tokio::test]
async fn a_machine_that_lets_nothing_be_run_is_named() {
    for command in ["false", "internal-sftp", "echo 'This account is currently not available.'; exit 1"] {
        let Some((error, _)) = forced(command, ", each: 20s").await else { return };
        assert!(error.contains("it lets no command be run") || error.contains("no answer within"), "{command}: {error}");
    }
}

/// What it had said until then would seem to be all that there is.
#[tokio::test]
async fn a_machine_that_hangs_up_in_the_middle_is_left_out_whole() {
    // The shell that runs the command is ended by it, with the connection's own process.
    let count = "n=$(cat /tmp/bowline-count-$PPID 2>/dev/null || echo 0)";
    let command = format!(
        "{count}; echo $((n + 1)) >/tmp/bowline-count-$PPID; [ $n -lt 3 ] || {{ rm /tmp/bowline-count-$PPID; kill -9 $PPID; }}; eval \"$SSH_ORIGINAL_COMMAND\""
    );
    let Some((error, _)) = forced(&command, "").await else { return };
    assert!(error.contains("asking it ended in the middle"), "{error}");
}

/// A server on this machine that says `greeting` and then nothing. It lasts as long as the test's process.
fn plain(greeting: &'static [u8]) -> u16 {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        let mut kept = Vec::new();
        for mut connection in listener.incoming().flatten() {
            connection.write_all(greeting).ok();
            kept.push(connection);
        }
    });
    port
}

#[tokio::test]
async fn what_is_no_ssh_server_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let Some(server) = Sshd::start(folder.path()) else { return };
    let closed = crate::peers::free_port();
    let (silent, web) = (plain(b""), plain(b"HTTP/1.1 400 Bad Request\r\n\r\n"));
    let hosts = [silent, web, closed, server.port].map(|port| format!("'127.0.0.1:{port}'")).join(", ");
    let spec = format!("{{hosts: [{hosts}], credentials: fleet, user: {}, packages: false, each: 40s}}", server.account);
    let begun = Instant::now();
    let answer = Asked::new(&spec, key(&server, true)).observe().await;
    assert!(begun.elapsed() < Duration::from_mins(2));
    assert_eq!(answer.items.len(), 1, "{answer:?}");
    let error = answer.error.unwrap();
    assert!([silent, web, closed].iter().all(|port| error.contains(&format!("127.0.0.1:{port}: "))), "{error}");
}
