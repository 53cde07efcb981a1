//! What the page of the first policy shows of `check` and `explain` is what they say.

use std::fs;

use assert_cmd::Command;
use enforcer_tests::binary;

const PAGE: &str = include_str!("../../docs/first-policy.md");
/// The policy that a block shows is the file of the commands behind it.
const FILE: &str = "new.yaml";

/// The commands on the page that need no kernel, each with the policy in front of it and with what
/// it is shown to say.
fn shown(page: &str) -> Vec<(String, Vec<String>, String)> {
    let mut found = Vec::new();
    let mut policy = String::new();
    let mut lines = page.lines().peekable();
    while let Some(line) = lines.next() {
        if line == "```yaml" {
            let block: Vec<&str> = lines.by_ref().take_while(|line| *line != "```").collect();
            policy = block.join("\n") + "\n";
        }
        let Some(command) = line.strip_prefix("    $ enforcer ") else { continue };
        if !command.contains(FILE) {
            continue;
        }
        let mut said = String::new();
        while let Some(line) = lines.next_if(|line| line.starts_with("    ")) {
            said.push_str(line.trim_start());
            said.push('\n');
        }
        let arguments = command.split(' ').map(str::to_owned).collect();
        found.push((policy.clone(), arguments, said));
    }
    found
}

#[test]
fn the_page_of_the_first_policy_shows_what_the_program_says() {
    let folder =
        std::env::temp_dir().join(format!("enforcer-cli-documents-{}", std::process::id()));
    fs::create_dir_all(&folder).unwrap();
    let shown = shown(PAGE);
    assert!(shown.len() >= 4, "{shown:#?}");

    for (policy, arguments, said) in shown {
        fs::write(folder.join(FILE), policy).unwrap();
        let mut command = Command::new(binary::enforcer().unwrap());
        let done = command.args(&arguments).current_dir(&folder).output().unwrap();
        assert_eq!(String::from_utf8_lossy(&done.stdout), said, "{arguments:?}: {done:?}");
    }
    fs::remove_dir_all(folder).unwrap();
}

#[test]
fn a_command_is_found_with_the_policy_in_front_of_it_and_what_it_says() {
    let page = "```yaml\na: 1\n```\n\n    $ enforcer check --policy new.yaml\n    valid\n\n    \
                $ enforcer status\n    state\n";

    let arguments = ["check", "--policy", "new.yaml"].map(str::to_owned).to_vec();
    assert_eq!(shown(page), [("a: 1\n".to_owned(), arguments, "valid\n".to_owned())]);
}
