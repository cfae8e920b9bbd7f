use std::path::Path;
use std::time::Duration;

use super::{Apart, ApartError};

/// A compiler that is a script; the word that it is asked with and the directory follow.
fn script(text: &str) -> Apart {
    Apart {
        program: "/bin/sh".into(),
        arguments: vec!["-c".into(), text.into()],
        patience: Duration::from_secs(60),
    }
}

async fn compile(compiler: &Apart) -> Result<(), ApartError> {
    compiler.compile(b"a component", Path::new("/nowhere")).await
}

#[tokio::test]
async fn it_gets_the_component_behind_its_length() {
    let told =
        "printf '\\13\\0\\0\\0\\0\\0\\0\\0a component' > expected; head -c 19 | cmp -s - expected && exit 40";
    let directory = tempfile::tempdir().unwrap();
    let compiler = script(&format!("cd {} && {told}", directory.path().display()));
    assert!(compile(&compiler).await.is_ok());
}

#[tokio::test]
async fn what_it_says_of_the_component_is_the_answer() {
    let refused = compile(&script("echo ' is bad '; exit 41")).await;
    assert!(
        matches!(&refused, Err(ApartError::Component(reason)) if reason == "is bad"),
        "{refused:?}"
    );
    let unable = compile(&script("echo no room; exit 42")).await;
    assert!(
        matches!(&unable, Err(ApartError::Place(reason)) if reason == "no room"),
        "{unable:?}"
    );
}

#[tokio::test]
async fn a_component_that_kills_it_is_the_one_to_blame() {
    let killed = compile(&script("echo 'out of memory' >&2; kill -9 $$")).await;
    let Err(ApartError::Component(reason)) = killed else {
        panic!("{killed:?}");
    };
    assert!(
        reason.contains("signal: 9") && reason.ends_with("out of memory"),
        "{reason}"
    );
}

#[tokio::test]
async fn a_program_that_is_not_there_is_nobody_s_fault() {
    let missing = compile(&Apart::program("/nowhere/compiler")).await;
    assert!(
        matches!(&missing, Err(ApartError::Place(reason)) if reason.contains("/nowhere/compiler")),
        "{missing:?}"
    );
}

#[tokio::test]
async fn one_that_takes_too_long_is_ended() {
    let directory = tempfile::tempdir().unwrap();
    let written = directory.path().join("process");
    let compiler = Apart {
        patience: Duration::from_millis(300),
        ..script(&format!("echo $$ > {}; exec sleep 1000", written.display()))
    };
    let slow = compile(&compiler).await;
    assert!(
        matches!(&slow, Err(ApartError::Place(reason)) if reason.contains("300ms")),
        "{slow:?}"
    );
    let process = std::fs::read_to_string(&written).unwrap();
    let there = Path::new("/proc").join(process.trim());
    for _ in 0..1000 {
        let running =
            std::fs::read_to_string(there.join("cmdline")).is_ok_and(|line| line.starts_with("sleep"));
        if !running {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("process {process} runs on");
}
