//! The action, the workflows and the hook that bring `check` and `plan --base` into a pull request.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::support::{self, Place, Ran};
use crate::{BAD, ESTATE, MAP, item, root, small};

fn yaml(path: &str) -> Value {
    serde_yaml::from_str(&std::fs::read_to_string(root().join(path)).unwrap()).unwrap()
}

/// Every `run` of a document, wherever it stands.
fn scripts(value: &Value) -> Vec<String> {
    match value {
        Value::Object(map) => {
            map.iter().flat_map(|(name, value)| if name == "run" { vec![value.as_str().unwrap().to_owned()] } else { scripts(value) }).collect()
        }
        Value::Array(list) => list.iter().flat_map(scripts).collect(),
        _ => Vec::new(),
    }
}

const WORKFLOWS: [&str; 2] = ["examples/workflows/github.yaml", "examples/workflows/gitea.yaml"];

#[test]
fn no_script_holds_an_expression_so_no_title_or_branch_is_run() {
    for path in ["action.yml", WORKFLOWS[0], WORKFLOWS[1]] {
        for script in scripts(&yaml(path)) {
            assert!(!script.contains("${{"), "{path}: {script}");
            let mut bash = Command::new("bash").args(["-n", "-c", &script]).spawn().unwrap();
            assert!(bash.wait().unwrap().success(), "{path}: {script}");
        }
    }
}

#[test]
fn every_input_of_the_action_is_used_and_described() {
    let action = yaml("action.yml");
    let text = std::fs::read_to_string(root().join("action.yml")).unwrap();
    assert_eq!(action["runs"]["using"], "composite");
    for (name, input) in action["inputs"].as_object().unwrap() {
        assert!(text.contains(&format!("${{{{ inputs.{name} }}}}")), "{name} is not used");
        assert!(input["description"].as_str().is_some_and(|text| text.len() > 10), "{name} is not described");
    }
    for step in action["runs"]["steps"].as_array().unwrap() {
        assert_eq!(step["shell"], "bash");
        let script = step["run"].as_str().unwrap();
        for name in step["env"].as_object().unwrap().keys() {
            assert!(script.contains(&format!("${name}")), "{name} is not used");
        }
    }
}

#[test]
fn workflows_ask_for_the_least_and_give_strangers_nothing() {
    for path in WORKFLOWS {
        let workflow = yaml(path);
        // YAML 1.1 reads `on` as true; this reader does not.
        let events: Vec<&String> = workflow["on"].as_object().unwrap().keys().collect();
        assert_eq!(events, ["pull_request"], "{path}");
        assert_eq!(workflow["permissions"], serde_json::json!({"contents": "read"}), "{path}");
        for (name, job) in workflow["jobs"].as_object().unwrap() {
            let text = job.to_string();
            let own_branches_only = job["if"].as_str().is_some_and(|only| only.contains("head.repo.full_name == github.repository"));
            assert!(own_branches_only || !(text.contains("secrets.") || text.contains("--credentials") || text.contains("write")), "{path}: {name}");
            assert!(own_branches_only != (name == "check"), "{path}: {name}");
            for step in job["steps"].as_array().unwrap().iter().filter(|step| step["uses"].as_str().is_some_and(|uses| uses.starts_with("actions/checkout"))) {
                assert_eq!(step["with"]["persist-credentials"], false, "{path}: {name}");
            }
            // Only inputs that the action has.
            let inputs = yaml("action.yml")["inputs"].clone();
            for step in job["steps"].as_array().unwrap().iter().filter(|step| step["uses"].as_str().is_some_and(|uses| uses.contains("/bowline@"))) {
                assert!(step["with"].as_object().unwrap().keys().all(|name| inputs.get(name).is_some()), "{path}: {step}");
            }
        }
    }
}

/// Has a peer made ready by its script; nothing, and why, where it cannot be had.
fn peer(name: &str) -> Option<PathBuf> {
    let made = Command::new(root().join("tests/peers/get").join(name)).stderr(Stdio::piped()).output().ok()?;
    let program = PathBuf::from(String::from_utf8_lossy(&made.stdout).trim());
    if made.status.success() && program.is_file() {
        return Some(program);
    }
    crate::peers::skip(&format!("{name} cannot be had here: {}", String::from_utf8_lossy(&made.stderr).lines().last().unwrap_or_default()));
    None
}

#[test]
fn actionlint_finds_nothing_in_the_workflows() {
    let Some(actionlint) = peer("actionlint") else { return };
    let place = Place::new();
    place.write("action.yml", &std::fs::read_to_string(root().join("action.yml")).unwrap());
    for path in WORKFLOWS {
        let name = Path::new(path).file_name().unwrap().to_string_lossy().into_owned();
        let text = std::fs::read_to_string(root().join(path)).unwrap();
        // The action by its folder, so that its inputs and outputs are looked at too.
        let local = text.replace("example/bowline@v0.1.0", "./");
        assert!(local != text);
        place.write(&format!(".github/workflows/{name}"), &local);
    }
    place.commit_all("Workflows");
    let lint = || -> Ran { Command::new(&actionlint).arg("-no-color").current_dir(place.estate()).output().unwrap().into() };
    assert_eq!(lint().ends_with(0).stdout, "");
    let wrong = place.read(".github/workflows/github.yaml").replace("estate: .", "estat: .");
    place.write(".github/workflows/github.yaml", &wrong);
    assert!(lint().ends_with(1).stdout.contains("estat"), "it would be seen");
}

/// Another program with the environment that the place gives to bowline.
fn with_env_of(place: &Place, program: &Path) -> Command {
    let mut command = Command::new(program);
    for (name, value) in place.command(&[]).get_envs() {
        match value {
            Some(value) => command.env(name, value),
            None => command.env_remove(name),
        };
    }
    command
}

/// What a step of the action did.
struct Step {
    ran: Ran,
    summary: String,
    outputs: String,
}

/// Runs the action's steps one after the other as a runner does: expressions become the environment, `bash` runs the
/// script with `-e` and `pipefail`, files take the summary, the outputs and the path.
fn run_action(place: &Place, inputs: &[(&str, &str)]) -> Step {
    let program = Path::new(env!("CARGO_BIN_EXE_bowline")).parent().unwrap();
    let (step, added) = run_action_with(place, inputs, program);
    assert_eq!(added, "", "the program on PATH is used, none is built");
    step
}

/// The same with this folder first on the path; gives what the steps added to the path too.
fn run_action_with(place: &Place, inputs: &[(&str, &str)], programs: &Path) -> (Step, String) {
    let action = yaml("action.yml");
    let runner = place.state().join("runner");
    std::fs::create_dir_all(&runner).unwrap();
    let file = |name: &str| {
        let file = runner.join(name);
        std::fs::write(&file, "").unwrap();
        file
    };
    let (summary, outputs, path) = (file("summary"), file("outputs"), file("path"));
    let mut ran = Ran { code: 0, stdout: String::new(), stderr: String::new() };
    for step in action["runs"]["steps"].as_array().unwrap() {
        let mut command = with_env_of(place, Path::new("bash"));
        let script = runner.join("step.sh");
        std::fs::write(&script, step["run"].as_str().unwrap()).unwrap();
        command.args(["--noprofile", "--norc", "-e", "-o", "pipefail"]).arg(&script).current_dir(place.estate()).stdin(Stdio::null());
        for (name, value) in step["env"].as_object().unwrap() {
            let expression = value.as_str().unwrap().trim_start_matches("${{ ").trim_end_matches(" }}").to_owned();
            let value = match expression.split_once('.').unwrap() {
                ("inputs", input) => {
                    let default = action["inputs"][input]["default"].as_str().unwrap();
                    inputs.iter().find(|(name, _)| *name == input).map_or(default, |(_, value)| value).to_owned()
                }
                ("github", "action_path") => root().display().to_string(),
                other => panic!("{other:?}"),
            };
            command.env(name, value);
        }
        let added = std::fs::read_to_string(&path).unwrap().trim().to_owned();
        let with_program = format!("{added}:{}:{}", programs.display(), std::env::var("PATH").unwrap());
        command
            .env("PATH", with_program)
            .env("RUNNER_TEMP", &runner)
            .env("GITHUB_STEP_SUMMARY", &summary)
            .env("GITHUB_OUTPUT", &outputs)
            .env("GITHUB_PATH", &path);
        let done: Ran = command.output().unwrap().into();
        ran = Ran { code: done.code, stdout: ran.stdout + &done.stdout, stderr: ran.stderr + &done.stderr };
        if ran.code != 0 {
            break;
        }
    }
    let added = std::fs::read_to_string(path).unwrap();
    (Step { ran, summary: std::fs::read_to_string(summary).unwrap(), outputs: std::fs::read_to_string(outputs).unwrap() }, added)
}

#[test]
fn the_action_checks_annotates_and_ends_as_check_does() {
    let place = small();
    let good = run_action(&place, &[]);
    assert_eq!(good.ran.code, 0, "{}", good.ran.stderr);
    assert_eq!(
        (good.ran.stdout.as_str(), good.summary.as_str()),
        ("bowline check: no problem in 4 files\n", "**No problem** in the estate `small` (4 files).\n")
    );

    place.write("sites/harbour/bowline.yaml", ESTATE);
    place.write("sites/harbour/bad.yaml", BAD);
    let bad = run_action(&place, &[("estate", "sites/harbour")]);
    assert_eq!(bad.ran.code, 2, "{}", bad.ran.stderr);
    assert!(bad.ran.stdout.starts_with("::error file=sites/harbour/bad.yaml,line=6,"), "{}", bad.ran.stdout);
    assert!(bad.summary.contains("| 6:3 | Error | `colour` is not known in `spec`"), "{}", bad.summary);

    assert_eq!(run_action(&place, &[("estate", "nowhere")]).ran.code, 1);
    assert_eq!(run_action(&place, &[("command", "destroy")]).ran.code, 1);
}

/// Building takes minutes, so a stand-in for cargo hands out the program that is there; what the step asks of it is held.
#[test]
fn a_program_that_is_not_there_or_of_another_version_is_built_from_the_actions_source() {
    let place = small();
    let programs = place.state().join("programs");
    std::fs::create_dir_all(&programs).unwrap();
    let cargo = format!(
        "#!/bin/sh\necho \"$@\" >'{0}/asked'\n[ \"$1 $2 $4 $5\" = 'install --path --locked --root' ] || exit 9\n[ -f \"$3/Cargo.lock\" ] || exit 9\nmkdir -p \"$6/bin\" && ln -sf '{1}' \"$6/bin/bowline\"\n",
        programs.display(),
        env!("CARGO_BIN_EXE_bowline")
    );
    std::fs::write(programs.join("cargo"), cargo).unwrap();
    std::fs::write(programs.join("bowline"), "#!/bin/sh\necho bowline 0.0.1\n").unwrap();
    for name in ["cargo", "bowline"] {
        std::fs::set_permissions(programs.join(name), std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    }
    let (step, added) = run_action_with(&place, &[("version", env!("CARGO_PKG_VERSION"))], &programs);
    assert_eq!(step.ran.code, 0, "{}", step.ran.stderr);
    assert!(step.ran.stdout.ends_with("bowline check: no problem in 4 files\n"), "{}", step.ran.stdout);
    assert!(added.trim().ends_with("/bowline/bin") && programs.join("asked").exists());
    // What its source cannot be is said.
    let (step, _) = run_action_with(&place, &[("version", "99.0.0")], &programs);
    assert_eq!(step.ran.code, 1);
    assert!(step.ran.stdout.contains("not of the version"), "{}", step.ran.stdout);
}

#[test]
fn the_action_fails_for_warnings_only_when_strict() {
    let place = small();
    std::fs::remove_file(place.estate().join("bowline.yaml")).unwrap();
    assert_eq!(run_action(&place, &[]).ran.code, 0);
    let strict = run_action(&place, &[("strict", "true")]);
    assert_eq!(strict.ran.code, 2);
    assert!(strict.ran.stdout.starts_with("::warning title=no-estate::"), "{}", strict.ran.stdout);
}

#[test]
fn the_action_plans_what_the_branch_changes_and_hands_the_report_on() {
    let place = small();
    place.write("web.yaml", &item("web-1", "32Gi"));
    place.commit_all("More memory");
    let done = run_action(&place, &[("command", "plan"), ("base", "main..."), ("args", "--at 2026-11-25T08:00:00Z\n--detailed-exitcode")]);
    assert_eq!(done.ran.code, 2, "{}{}", done.ran.stdout, done.ran.stderr);
    assert!(done.summary.starts_with("**1 finding appears.** Services touched: `shop` (Down).\n"), "{}", done.summary);
    let report = done.outputs.trim().strip_prefix("report=").unwrap();
    assert_eq!(std::fs::read_to_string(report).unwrap(), done.summary);
    // A plan without a base is the whole plan.
    let whole = run_action(&place, &[("command", "plan")]);
    assert_eq!(whole.ran.code, 0, "{}", whole.ran.stderr);
    assert!(whole.summary.starts_with("# Estate **small**"), "{}", whole.summary);
}

#[test]
fn the_runner_hears_no_command_from_a_plan() {
    let place = small();
    place.write("facts.json", &format!("[{}]", serde_json::json!({"class": "server", "name": "::add-mask::x", "key": "\n::set-output name=a::b"})));
    let done = run_action(&place, &[("command", "plan"), ("base", "main")]);
    let lines: Vec<&str> = done.ran.stdout.lines().collect();
    let start = lines.iter().position(|line| line.starts_with("::stop-commands::")).unwrap();
    let pause = lines[start].strip_prefix("::stop-commands::").unwrap();
    assert_eq!(pause.len(), 32, "nobody can guess it");
    let end = lines.iter().position(|line| *line == format!("::{pause}::")).unwrap();
    assert!(
        lines[..start]
            .iter()
            .chain(&lines[end + 1..])
            .all(|line| line.starts_with("::error ") || line.starts_with("::warning ") || !line.trim_start().starts_with("::"))
    );
    assert!(lines[start..end].iter().any(|line| line.contains("::add-mask::x")), "{lines:?}");
}

#[test]
fn inputs_of_the_action_are_words_and_never_commands() {
    let place = small();
    let marks = "$(touch pwned-1) `touch pwned-2`; touch pwned-3 | touch pwned-4 * ~";
    for input in ["estate", "command", "base", "strict", "args", "version"] {
        for command in ["check", "plan"] {
            let inputs = if input == "command" { vec![(input, marks)] } else { vec![("command", command), (input, marks)] };
            // Another version would be built, which takes minutes: that it is not of that version is enough.
            if input != "version" {
                run_action(&place, &inputs);
            }
        }
    }
    let made: Vec<_> = support::everything(&place.estate()).into_keys().filter(|path| path.to_string_lossy().contains("pwned")).collect();
    assert!(made.is_empty(), "{made:?}");
}

/// GitHub's own program cannot be had here: a stand-in holds what the workflow's step asks of it.
#[test]
fn the_comment_of_the_workflow_is_written_once_and_then_written_anew() {
    let script = scripts(&yaml(WORKFLOWS[0])).remove(0);
    let place = Place::new();
    let programs = place.state();
    std::fs::create_dir_all(&programs).unwrap();
    let (asked, report) = (programs.join("asked"), programs.join("report"));
    std::fs::write(programs.join("gh"), "#!/bin/sh\necho \"$@ marker=$marker\" >>\"$ASKED\"\ncase $* in *--paginate*) printf '%s' \"$OWN\" ;; esac\n").unwrap();
    std::fs::set_permissions(programs.join("gh"), std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let run = |text: &str, own: &str| {
        std::fs::write(&report, text).unwrap();
        std::fs::write(&asked, "").unwrap();
        let mut step = with_env_of(&place, Path::new("bash"));
        let path = format!("{}:{}", programs.display(), std::env::var("PATH").unwrap());
        step.args(["-e", "-c", &script])
            .env("PATH", path)
            .env("REPORT", &report)
            .env("REPOSITORY", "a/b")
            .env("NUMBER", "7")
            .env("OWN", own)
            .env("ASKED", &asked);
        assert!(step.status().unwrap().success());
        std::fs::read_to_string(&asked).unwrap()
    };
    let text = "**Nothing changes**\n\n<!-- bowline-plan:small -->\n";
    let first = run(text, "");
    let body = format!("body=@{}", report.display());
    assert!(first.contains("select(.user.login == \"github-actions[bot]\"") && first.contains("marker=<!-- bowline-plan:small -->"), "only its own: {first}");
    assert!(first.contains(&format!("api --silent repos/a/b/issues/7/comments --field {body}")), "{first}");
    let again = run(text, "41\n42\n");
    assert!(again.contains(&format!("--method PATCH repos/a/b/issues/comments/41 --field {body}")) && !again.contains("issues/7/comments --field"), "{again}");
    assert_eq!(run("", ""), "", "no report, no comment");
}

#[test]
fn pre_commit_takes_the_hook_and_it_stops_a_bad_commit() {
    let Some(pre_commit) = peer("pre-commit") else { return };
    let hooks = root().join(".pre-commit-hooks.yaml");
    let valid: Ran = Command::new(&pre_commit).arg("validate-manifest").arg(&hooks).output().unwrap().into();
    valid.ends_with(0);

    // The same hook with the program on PATH: to build it takes minutes.
    let mut hook = yaml(".pre-commit-hooks.yaml")[0].clone();
    assert_eq!((&hook["id"], &hook["language"], &hook["pass_filenames"]), (&"bowline-check".into(), &"rust".into(), &false.into()));
    hook["language"] = "system".into();
    let place = small();
    place.write(".pre-commit-config.yaml", &serde_yaml::to_string(&serde_json::json!({"repos": [{"repo": "local", "hooks": [hook]}]})).unwrap());
    place.commit_all("The hook");
    place.write("map.yaml", &format!("# edited\n{MAP}"));
    place.git(&["add", "-A"]);
    let program = Path::new(env!("CARGO_BIN_EXE_bowline")).parent().unwrap();
    let run = || -> Ran {
        let mut command = with_env_of(&place, &pre_commit);
        let path = format!("{}:{}", program.display(), std::env::var("PATH").unwrap());
        command.arg("run").current_dir(place.estate()).env("PATH", path).env("PRE_COMMIT_HOME", place.state().join("pre-commit"));
        command.output().unwrap().into()
    };
    assert!(run().ends_with(0).stdout.contains("Passed"));
    place.write("bad.yaml", BAD);
    place.git(&["add", "-A"]);
    let stopped = run().ends_with(1).stdout;
    assert!(stopped.contains("unknown-field") && stopped.contains("bad.yaml"), "{stopped}");
    // A commit without YAML is not held up.
    place.git(&["rm", "-q", "--cached", "bad.yaml"]);
    std::fs::remove_file(place.estate().join("bad.yaml")).unwrap();
    place.commit_all("Edited");
    place.write("README.md", "More.");
    place.git(&["add", "-A"]);
    assert!(run().ends_with(0).stdout.contains("Skipped"));
}
