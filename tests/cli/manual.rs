//! `distillscope manual`: what it writes is read back by the programs that it is written for.

use std::fs;
use std::path::Path;
use std::process::Command;

fn manual(out: &Path) {
    let status = Command::new(env!("CARGO_BIN_EXE_distillscope"))
        .args(["manual", "--out"])
        .arg(out)
        .status()
        .expect("the program runs");
    assert!(status.success());
}

/// The subcommands that `--help` lists.
fn listed() -> Vec<String> {
    let help =
        Command::new(env!("CARGO_BIN_EXE_distillscope")).arg("--help").output().expect("the program runs").stdout;
    let help = String::from_utf8(help).expect("text");
    let lines = help.lines().skip_while(|line| *line != "Commands:").skip(1).take_while(|line| !line.is_empty());
    lines.filter_map(|line| line.split_whitespace().next()).filter(|name| *name != "help").map(str::to_owned).collect()
}

#[test]
fn every_subcommand_has_its_page() {
    let folder = tempfile::tempdir().unwrap();
    manual(folder.path());
    let pages = folder.path().join("man/man1");
    let commands = listed();
    assert!(commands.len() >= 10, "{commands:?}");
    for command in &commands {
        let page = fs::read_to_string(pages.join(format!("distillscope-{command}.1"))).unwrap();
        assert!(page.contains("\n.SH OPTIONS\n"), "{command}");
    }
    let train = fs::read_to_string(pages.join("distillscope-train.1")).unwrap();
    assert!(train.contains("\\-\\-paired"));
    assert!(!pages.join("distillscope-manual.1").exists());
}

#[cfg(unix)]
#[test]
fn bash_completes_subcommands_and_options() {
    let folder = tempfile::tempdir().unwrap();
    manual(folder.path());
    let complete = |words: &str, at: usize| {
        let script = format!(
            "set -eu; source bash-completion/completions/distillscope; COMP_WORDS=({words}); COMP_CWORD={at}; \
             _distillscope distillscope \"${{COMP_WORDS[{at}]}}\" \"${{COMP_WORDS[{at}-1]}}\"; echo \"${{COMPREPLY[@]}}\""
        );
        let output = Command::new("bash").args(["-c", &script]).current_dir(folder.path()).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    };
    assert_eq!(complete("distillscope tr", 1), "train");
    assert_eq!(complete("distillscope train --pair", 2), "--paired");
    assert_eq!(complete("distillscope convert --to ''", 3), "safetensors pt");
}
