//! Kills at several moments: what is there is whole, what comes after is as if nothing had happened, and nothing is left.

use std::time::{Duration, Instant};

use super::{cases, content, hidden, remove, start, workshop};

const MOMENTS: u32 = 6;

#[test]
fn a_command_that_is_killed_leaves_nothing_half_done_and_comes_to_the_same_end() {
    let folder = workshop();
    let at = |name: &str| folder.path().join(name);
    for case in cases() {
        let (whole, killed) = (case.out.replace("OUT", "whole"), case.out.replace("OUT", "killed"));
        let begun = Instant::now();
        case.run(folder.path(), &case.arguments("whole")).succeeds();
        let time = begun.elapsed();
        let expected = content(&at(&whole));
        assert!(!expected.is_empty(), "{}", case.name);
        for moment in 1..=MOMENTS {
            let mut child = start(folder.path(), &case.resuming("killed"));
            std::thread::sleep(time * moment / (MOMENTS + 1));
            child.kill().unwrap();
            child.wait().unwrap();
            if case.resumes {
                continue;
            }
            // A folder appears whole, and so does each file of those that are written one by one.
            let found = content(&at(&killed));
            let visible = found.iter().filter(|(name, _)| !name.starts_with('.'));
            for one in visible {
                assert!(expected.contains(one), "{}, killed at moment {moment}: {:?} is not whole", case.name, one.0);
            }
            if case.name != "render" {
                assert!(found.is_empty() || found.len() == expected.len(), "{}: moment {moment}", case.name);
                remove(&at(&killed));
            }
        }
        // Files beside the output that the last killed run left go with this one.
        std::thread::sleep(Duration::from_millis(5));
        case.run(folder.path(), &case.resuming("killed")).succeeds();
        let found = content(&at(&killed));
        let names = |all: &[(String, Vec<u8>)]| all.iter().map(|(name, _)| name.clone()).collect::<Vec<_>>();
        assert_eq!(names(&found), names(&expected), "{}", case.name);
        for (one, other) in found.iter().zip(&expected) {
            assert!(one == other || one.0 == "loss.svg", "{}: {:?} differs", case.name, one.0);
        }
        assert_eq!(hidden(folder.path()), Vec::<String>::new(), "{}", case.name);
        remove(&at(&killed));
        remove(&at(&whole));
    }
}
