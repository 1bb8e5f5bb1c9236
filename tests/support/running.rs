//! The program while it runs; what it says is gathered as it comes.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// The program while it runs.
pub struct Running {
    child: Child,
    stdout: Arc<Mutex<String>>,
    stderr: Arc<Mutex<String>>,
}

impl Running {
    /// Starts it. It ends with what is given.
    pub fn start(command: &mut Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let stdout = gather(child.stdout.take().unwrap());
        let stderr = gather(child.stderr.take().unwrap());
        Self { child, stdout, stderr }
    }

    pub fn stderr(&self) -> String {
        self.stderr.lock().unwrap().clone()
    }

    pub fn stdout(&self) -> String {
        self.stdout.lock().unwrap().clone()
    }

    /// Waits until it has said this on standard error.
    #[track_caller]
    pub fn says(&self, what: &str) -> String {
        until(|| self.stderr().contains(what).then(|| self.stderr())).unwrap_or_else(|| panic!("never said `{what}`:\n{}", self.stderr()))
    }

    /// Sends SIGTERM and waits; the exit code, and how long it took.
    pub fn terminate(&mut self) -> (Option<i32>, Duration) {
        let begun = Instant::now();
        assert!(Command::new("kill").arg(self.child.id().to_string()).status().unwrap().success());
        let code = until(|| self.child.try_wait().unwrap()).expect("it ends").code();
        (code, begun.elapsed())
    }

    /// The address after this on standard error, up to the next slash.
    pub fn address_after(&self, before: &str) -> String {
        let said = self.says(before);
        let rest = said.split(before).nth(1).unwrap();
        rest.split('/').next().unwrap().to_owned()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn gather(from: impl Read + Send + 'static) -> Arc<Mutex<String>> {
    let gathered = Arc::new(Mutex::new(String::new()));
    let to = gathered.clone();
    std::thread::spawn(move || {
        for line in BufReader::new(from).lines().map_while(Result::ok) {
            to.lock().unwrap().push_str(&format!("{line}\n"));
        }
    });
    gathered
}

/// Asks again and again, for a minute.
pub fn until<T>(mut found: impl FnMut() -> Option<T>) -> Option<T> {
    let begun = Instant::now();
    while begun.elapsed() < Duration::from_mins(1) {
        if let Some(found) = found() {
            return Some(found);
        }
        std::thread::sleep(Duration::from_millis(25));
    }
    None
}

/// One request as it stands, and the whole answer.
pub fn exchange(address: &str, request: &str) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}
