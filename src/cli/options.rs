//! Options that every verb knows.

use std::io::{IsTerminal, Write};
use std::path::PathBuf;

use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::{Args, ValueEnum};
use jiff::Timestamp;
use serde::Serialize;

use super::log;
use bowline::failure::Failure;

/// Options that every verb knows.
#[derive(Args, Clone, Debug)]
#[allow(clippy::doc_markdown)] // these comments are what --help prints
pub struct Options {
    /// How results are written
    #[arg(long, short, global = true, value_parser = Format::everywhere(), default_value = "human")]
    pub output: Format,

    /// The operator's file of credentials: where each named one comes from and to which hosts it may be sent
    #[arg(long, global = true, value_name = "FILE", env = "BOWLINE_CREDENTIALS", hide_env_values = true)]
    pub credentials: Option<PathBuf>,

    /// A folder outside the estate's root that its sources may read; may be repeated
    #[arg(long, global = true, value_name = "FOLDER", env = "BOWLINE_ALLOW_READ", hide_env_values = true)]
    pub allow_read: Vec<PathBuf>,

    /// A host, address or network that sources may reach; once given, nothing else may be; may be repeated, or several with commas
    #[arg(long, global = true, value_name = "HOST[:PORT]", value_delimiter = ',', env = "BOWLINE_ALLOW_NET", hide_env_values = true)]
    pub allow_net: Vec<String>,

    /// Where first seen, last seen and counts are kept [default: $XDG_STATE_HOME/bowline]
    #[arg(long, global = true, value_name = "FOLDER", env = "BOWLINE_STATE", hide_env_values = true)]
    pub state: Option<PathBuf>,

    /// Plan as of this instant instead of now, for example 2026-12-24T18:00:00Z
    #[arg(long, global = true, value_name = "INSTANT")]
    pub at: Option<Timestamp>,

    /// How the log on standard error is written; with json each line is JSON of its own
    #[arg(long, global = true, value_enum, default_value = "text", env = "BOWLINE_LOG_FORMAT", hide_env_values = true)]
    pub log_format: log::Format,

    /// Say more: -v what is done, -vv details (also BOWLINE_LOG=debug)
    #[arg(long, short, global = true, action = clap::ArgAction::Count)]
    pub verbose: u8,
}

/// How results are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// For people, in colour on a terminal
    #[default]
    Human,
    /// JSON
    Json,
    /// YAML
    Yaml,
    /// Markdown
    Markdown,
    /// Workflow commands: GitHub shows each problem at its line in the pull request
    Github,
    /// SARIF 2.1.0, for code scanning and editors
    Sarif,
}

impl Format {
    /// What every verb writes.
    pub fn everywhere() -> impl TypedValueParser<Value = Self> {
        Self::among(&[Self::Human, Self::Json, Self::Yaml, Self::Markdown])
    }

    /// What `check` writes: problems have a place in a file, so forges and editors can show them there.
    pub fn of_problems() -> impl TypedValueParser<Value = Self> {
        Self::among(Self::value_variants())
    }

    fn among(formats: &[Self]) -> impl TypedValueParser<Value = Self> + use<> {
        let names: Vec<_> = formats.iter().filter_map(ValueEnum::to_possible_value).collect();
        PossibleValuesParser::new(names).try_map(|name| Self::from_str(&name, false))
    }
}

impl Options {
    /// Writes `value` as JSON or YAML; for the other formats, what `text` makes, with colour allowed or not.
    pub fn print<T: Serialize>(&self, value: &T, text: impl FnOnce(Style) -> String) -> Result<(), Failure> {
        let text = match self.output {
            Format::Json => format!("{}\n", serde_json::to_string_pretty(value)?),
            Format::Yaml => serde_yaml::to_string(value)?,
            Format::Markdown => text(Style { markdown: true, colour: false, width: 100 }),
            Format::Human => text(Style::of_terminal()),
            // Only `check` knows these, and writes them itself.
            Format::Github | Format::Sarif => return Err(Failure::new("only `check` writes this format")),
        };
        print_text(&text)
    }

    /// The folder for what must outlive a run.
    pub fn state_folder(&self) -> PathBuf {
        let from_env = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
        self.state
            .clone()
            .or_else(|| from_env("XDG_STATE_HOME").map(|folder| folder.join("bowline")))
            .or_else(|| from_env("HOME").map(|home| home.join(".local/state/bowline")))
            .unwrap_or_else(|| std::env::temp_dir().join("bowline-state"))
    }
}

/// Writes to standard output. A reader that went away (`| head`) is no error.
pub fn print_text(text: &str) -> Result<(), Failure> {
    let mut stdout = std::io::stdout().lock();
    match stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()) {
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(()),
        result => Ok(result?),
    }
}

/// How text for people is written.
#[derive(Clone, Copy, Debug)]
pub struct Style {
    /// As Markdown.
    pub markdown: bool,
    /// In colour.
    pub colour: bool,
    /// Columns of the terminal.
    pub width: usize,
}

impl Style {
    /// As the terminal allows.
    pub fn of_terminal() -> Self {
        // Where there is no terminal, asking for its size would run `tput`.
        let width = if std::io::stdout().is_terminal() { usize::from(termimad::terminal_size().0).clamp(60, 200) } else { 160 };
        Self { markdown: false, colour: colour(&std::io::stdout()), width }
    }

    /// `text` in a colour or weight of the terminal, by its SGR code; as it is where there is no colour.
    pub fn paint(self, code: &str, text: &str) -> String {
        if self.colour && !text.is_empty() { format!("\u{1b}[{code}m{text}\u{1b}[0m") } else { text.to_owned() }
    }

    /// Important text.
    pub fn bold(self, text: &str) -> String {
        if self.markdown { format!("**{text}**") } else { self.paint("1", text) }
    }

    /// Text of less weight.
    pub fn dim(self, text: &str) -> String {
        self.paint("2", text)
    }
}

/// Colour only on a terminal, and never with `NO_COLOR`.
pub fn colour(stream: &impl IsTerminal) -> bool {
    stream.is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty()) && std::env::var_os("TERM").is_none_or(|term| term != "dumb")
}
