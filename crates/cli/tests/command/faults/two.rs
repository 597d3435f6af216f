//! Two runs with one output.

use std::time::Duration;

use monotile_adapters::staged::Lock;

use super::{Finished, appears, cases, content, hidden, one_sentence, start, wait, workshop};

const ENOUGH: Duration = Duration::from_secs(20);

/// What to do about a run that is not to be disturbed.
const WAIT: &str = "hint: wait until that run has ended, or name another folder";

fn hints(ended: &Finished) -> Vec<&str> {
    ended.stderr.lines().filter(|line| line.starts_with("hint: ")).collect()
}

#[test]
fn the_second_of_two_runs_in_one_folder_ends_in_a_sentence_until_the_first_has_ended_or_died() {
    let folder = workshop();
    let place = folder.path().join("out");
    for case in cases().into_iter().filter(|case| case.out == "OUT") {
        // Held by another process: this one.
        let lock =
            if case.resumes || case.name == "render" { Lock::within(&place).unwrap() } else { Lock::next_to(&place).unwrap() };
        let second = case.run(folder.path(), &case.arguments("out"));
        assert_eq!(one_sentence(&second, case.name), "out: another run is writing this folder", "{}", case.name);
        assert_eq!(hints(&second), [WAIT], "{}", case.name);
        drop(lock);
        assert!(content(&place).is_empty(), "{}", case.name);
        case.run(folder.path(), &case.arguments("out")).succeeds();
        assert_eq!(hidden(folder.path()), Vec::<String>::new(), "{}", case.name);
        std::fs::remove_dir_all(&place).unwrap();
    }
}

#[test]
fn a_training_run_holds_its_folder_and_a_dead_one_does_not() {
    let folder = workshop();
    let place = folder.path().join("out");
    for case in cases().into_iter().filter(|case| case.resumes) {
        let long: Vec<String> =
            case.arguments("out").into_iter().map(|word| if word == "60" { "1000000".to_string() } else { word }).collect();
        let mut first = start(folder.path(), &long);
        assert!(appears(&place.join("training.safetensors"), &mut first), "{}", case.name);
        let again: Vec<String> = long.iter().cloned().chain(["--resume".to_string()]).collect();
        for second in [&long, &again] {
            let second = case.run(folder.path(), second);
            assert_eq!(one_sentence(&second, case.name), "out: another run is writing this folder", "{}", case.name);
            assert_eq!(hints(&second), [WAIT], "{}: its state is there, and --resume is no help", case.name);
        }
        first.kill().unwrap();
        first.wait().unwrap();
        let mut third = start(folder.path(), &again);
        let log = std::fs::read(place.join("log.jsonl")).unwrap().len();
        std::thread::sleep(Duration::from_millis(300));
        assert!(third.try_wait().unwrap().is_none(), "{}: it goes on", case.name);
        super::signal(third.id(), "TERM");
        assert_eq!(wait(third, ENOUGH).status, Some(1), "{}", case.name);
        assert!(log > 0 && hidden(folder.path()).is_empty(), "{}", case.name);
        std::fs::remove_dir_all(&place).unwrap();
    }
}

#[test]
fn two_runs_that_write_one_file_leave_one_that_is_whole() {
    let folder = workshop();
    for case in cases().into_iter().filter(|case| case.out != "OUT") {
        let out = folder.path().join(case.out.replace("OUT", "out"));
        case.run(folder.path(), &case.arguments("out")).succeeds();
        let whole = content(&out);
        for _ in 0..3 {
            let both = [start(folder.path(), &case.arguments("out")), start(folder.path(), &case.arguments("out"))];
            for child in both {
                assert_eq!(wait(child, ENOUGH).status, Some(0), "{}", case.name);
            }
            assert!(content(&out) == whole, "{}", case.name);
        }
        assert_eq!(hidden(folder.path()), Vec::<String>::new(), "{}", case.name);
    }
}
