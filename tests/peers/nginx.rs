//! git over HTTPS as Debian serves it: nginx, fcgiwrap, `git http-backend`. Every request is recorded with what it carried.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::authority::Authority;
use super::{Process, free_port, program};

/// What `apt-get install` must bring.
pub const PACKAGES: [&str; 3] = ["nginx-light", "fcgiwrap", "git"];

pub struct GitServer {
    /// HTTPS, for `localhost` and `127.0.0.1`.
    pub port: u16,
    /// The same, and a client certificate is wanted.
    pub strict_port: u16,
    /// HTTP.
    pub plain_port: u16,
    /// The file of the authority that it has its certificate from.
    pub authority_file: PathBuf,
    pub authority: Authority,
    log: PathBuf,
    _processes: [Process; 2],
}

impl GitServer {
    /// Serves the bare repositories in `folder`: below `/git/` for the account `alice` with this password, below `/open/`
    /// for everybody, below `/moved/` (and others, see the settings) by a redirect. None, with the reason said, where it cannot be had.
    pub fn start(folder: &Path, state: &Path, password: &str) -> Option<Self> {
        let (Some(nginx), Some(wrap), Some(backend)) = (program("nginx"), program("fcgiwrap"), program("git-http-backend")) else {
            super::skip("nginx, fcgiwrap or git-http-backend is not installed");
            return None;
        };
        let authority = Authority::new();
        let authority_file = state.join("authority.pem");
        authority.write(&authority_file);
        let (certificate, key) = authority.issue(&["localhost", "127.0.0.1"]);
        std::fs::write(state.join("server.pem"), certificate).expect("a file");
        std::fs::write(state.join("server.key"), key).expect("a file");
        std::fs::write(state.join("accounts"), format!("alice:{{PLAIN}}{password}\nx-access-token:{{PLAIN}}{password}\n")).expect("a file");
        let (port, strict_port, plain_port) = (free_port(), free_port(), free_port());
        let settings = settings(folder, state, &backend, [port, strict_port, plain_port]);
        std::fs::write(state.join("nginx.conf"), settings).expect("a file");
        let socket = format!("unix:{}", state.join("fcgi.sock").display());
        let wrap = Process::start(Command::new(wrap).args(["-s", &socket]).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()));
        let mut command = Command::new(nginx);
        command.arg("-p").arg(state).arg("-c").arg(state.join("nginx.conf")).arg("-e").arg(state.join("error.log"));
        let mut server = Process::start(command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()));
        if !server.answers(port) {
            let why = std::fs::read_to_string(state.join("error.log")).unwrap_or_default();
            super::skip(&format!("nginx does not start: {why}"));
            return None;
        }
        Some(Self { port, strict_port, plain_port, authority_file, authority, log: state.join("access.log"), _processes: [server, wrap] })
    }

    /// Every request so far, one a line: `HOST STATUS REQUEST auth=AUTHORIZATION`.
    pub fn requests(&self) -> Vec<String> {
        std::fs::read_to_string(&self.log).unwrap_or_default().lines().map(str::to_owned).collect()
    }
}

fn settings(folder: &Path, state: &Path, backend: &Path, [port, strict, plain]: [u16; 3]) -> String {
    let (folder, state, backend) = (folder.display(), state.display(), backend.display());
    let temporary = ["client_body", "fastcgi", "proxy", "uwsgi", "scgi"].map(|name| format!("{name}_temp_path {state}/{name};")).join("\n");
    let serve = format!(
        "fastcgi_pass unix:{state}/fcgi.sock;
        fastcgi_param SCRIPT_FILENAME {backend};
        fastcgi_param GIT_PROJECT_ROOT {folder};
        fastcgi_param GIT_HTTP_EXPORT_ALL \"\";
        fastcgi_param PATH_INFO $1;
        fastcgi_param QUERY_STRING $query_string;
        fastcgi_param REQUEST_METHOD $request_method;
        fastcgi_param CONTENT_TYPE $content_type;
        fastcgi_param CONTENT_LENGTH $content_length;
        fastcgi_param REMOTE_USER $remote_user;
        fastcgi_param REMOTE_ADDR $remote_addr;"
    );
    let places = format!(
        "location ~ ^/git(/.*)$ {{ auth_basic git; auth_basic_user_file {state}/accounts; {serve} }}
        location ~ ^/open(/.*)$ {{ {serve} }}
        location ~ ^/moved(/.*)$ {{ return 302 https://localhost:{port}/git$1$is_args$args; }}
        location ~ ^/near(/.*)$ {{ return 301 /git$1$is_args$args; }}
        location ~ ^/plain(/.*)$ {{ return 302 http://127.0.0.1:{plain}/git$1$is_args$args; }}
        location ~ ^/metadata(/.*)$ {{ return 302 https://169.254.169.254/git$1$is_args$args; }}
        location ~ ^/round(/.*)$ {{ return 302 $request_uri; }}
        location ~ ^/post(/.*)/info/refs$ {{ {serve_post} }}
        location ~ ^/post(/.*)$ {{ return 307 https://localhost:{port}/git$1; }}
        location /broken/ {{ return 500; }}
        location /page/ {{ default_type text/html; return 200 '<html>canary page</html>'; }}
        location /cut/ {{ return 444; }}",
        serve_post = serve.replace("PATH_INFO $1", "PATH_INFO $1/info/refs"),
    );
    let tls = format!("ssl_certificate {state}/server.pem; ssl_certificate_key {state}/server.key;");
    format!(
        "daemon off; master_process off; pid {state}/nginx.pid; error_log {state}/error.log;
        events {{}}
        http {{
        {temporary} client_max_body_size 0;
        log_format all '$host $status $request auth=$http_authorization';
        access_log {state}/access.log all;
        server {{ listen 127.0.0.1:{port} ssl; {tls} {places} }}
        server {{ listen 127.0.0.1:{strict} ssl; {tls} ssl_client_certificate {state}/authority.pem; ssl_verify_client on; {places} }}
        server {{ listen 127.0.0.1:{plain}; {places} }}
        }}\n"
    )
}
