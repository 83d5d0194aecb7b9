//! Joining, dying and leaving, with the kernel's locks as words of the model.

use super::*;
use crate::shm::roster::{Roster, active, at, entry};
use crate::sync::{AcqRel, SeqCst};
use loom::thread;

/// A roster, and for each entry whether somebody holds its byte.
struct Domain {
    roster: Roster,
    held: Vec<Word>,
    /// Tasks whose end has begun, by leaving or by death. Not a word of the model.
    ended: Mutex<Vec<Task>>,
}

impl Domain {
    fn new(max_tasks: u32) -> Arc<Self> {
        let region = Region::words(at::ENTRIES + entry::SIZE * max_tasks as u64);
        let held = (0..max_tasks).map(|_| Word::new(0)).collect();
        Arc::new(Domain { roster: Roster { region, max_tasks }, held, ended: Mutex::default() })
    }

    fn unlock(&self, index: u32) {
        let was = self.held[index as usize].swap_if(1, 0, SeqCst);
        assert_eq!(was, Ok(1), "only the holder unlocks");
    }

    fn join(&self) -> Option<Task> {
        let lock =
            |index: u32| Ok::<_, ()>(self.held[index as usize].swap_if(0, 1, SeqCst).is_ok());
        let task = self.roster.join(lock, |index| self.unlock(index)).unwrap();
        if let Some(task) = task {
            assert_eq!(self.state(task), active(task), "nobody else has this entry");
        }
        task
    }

    /// Ends a task without a word, as the kernel does.
    fn kill(&self, task: Task) {
        self.ended.lock().unwrap().push(task);
        self.unlock(task.entry());
    }

    fn leave(&self, task: Task) {
        self.ended.lock().unwrap().push(task);
        self.roster.leave(task);
        self.unlock(task.entry());
    }

    /// Whether the task counts as dead; only one may that has ended.
    fn probe(&self, task: Task) -> bool {
        // A system call looks at the lock itself, not at an old picture of it.
        let held = |index: u32| self.held[index as usize].add(0, AcqRel) == 1;
        let dead = self.roster.is_dead(task, held);
        if dead {
            assert!(self.ended.lock().unwrap().contains(&task), "declared dead alive");
        }
        dead
    }

    fn state(&self, task: Task) -> u64 {
        self.roster.word(task.entry(), entry::STATE).load(Acquire)
    }

    fn deaths(&self) -> u64 {
        self.roster.region.word(at::DEATHS).load(Acquire)
    }
}

/// Two join where there is room for two.
#[test]
fn two_tasks_join() {
    check(Depth { dense: 4, wide: None }, &["[0, 1]", "[1, 0]"], || {
        let domain = Domain::new(2);
        let joined = [(); 2].map(|()| {
            let domain = domain.clone();
            thread::spawn(move || domain.join())
        });
        let tasks = joined.map(|t| t.join().unwrap().expect("there is room"));
        for task in tasks {
            assert_eq!(domain.state(task), active(task));
            assert!(!domain.probe(task));
        }
        tasks.map(|task| task.entry())
    });
}

/// Two join where there is room for one.
#[test]
fn two_tasks_join_where_one_can() {
    check(Depth { dense: 4, wide: None }, &["[true, false]", "[false, true]"], || {
        let domain = Domain::new(1);
        let joined = [(); 2].map(|()| {
            let domain = domain.clone();
            thread::spawn(move || domain.join())
        });
        let tasks = joined.map(|t| t.join().unwrap());
        let outcome = tasks.map(|task| task.is_some());
        assert_ne!(outcome, [true, true]);
        assert_ne!(outcome, [false, false]);
        outcome
    });
}

/// A task dies, somebody asks about it, and somebody else takes its entry: it is counted dead once,
/// and the new one never.
#[test]
fn a_dead_tasks_entry_is_taken_beside_a_probe() {
    let outcomes = &["(true, true)", "(false, true)", "(true, false)", "(false, false)"];
    check(Depth { dense: 3, wide: None }, outcomes, || {
        let domain = Domain::new(1);
        let old = domain.join().unwrap();
        let (a, b) = (domain.clone(), domain.clone());
        let prober = thread::spawn(move || a.probe(old));
        let joiner = thread::spawn(move || b.join());
        domain.kill(old);
        let (dead, new) = (prober.join().unwrap(), joiner.join().unwrap());
        if let Some(new) = new {
            assert_ne!(new, old);
            assert_eq!(domain.state(new), active(new), "a living task stays active");
            assert!(!domain.probe(new));
        }
        assert!(domain.probe(old), "it is dead by now");
        assert_eq!(domain.deaths(), 1);
        (dead, new.is_some())
    });
}

/// The same with a task that leaves, which is no death.
#[test]
fn a_leaving_tasks_entry_is_taken_beside_a_probe() {
    let outcomes = &["(true, true)", "(false, true)", "(true, false)", "(false, false)"];
    check(Depth { dense: 3, wide: None }, outcomes, || {
        let domain = Domain::new(1);
        let old = domain.join().unwrap();
        let (a, b) = (domain.clone(), domain.clone());
        let prober = thread::spawn(move || a.probe(old));
        let joiner = thread::spawn(move || b.join());
        domain.leave(old);
        let (dead, new) = (prober.join().unwrap(), joiner.join().unwrap());
        if let Some(new) = new {
            assert_eq!(domain.state(new), active(new));
            assert!(!domain.probe(new));
        }
        assert!(domain.probe(old));
        assert_eq!(domain.deaths(), 0);
        (dead, new.is_some())
    });
}

/// Two probe a dead task at once: both find it dead, and it is counted once.
#[test]
fn two_probe_a_dead_task() {
    check(Depth { dense: 4, wide: None }, &["[true, true]", "[false, true]"], || {
        let domain = Domain::new(1);
        let old = domain.join().unwrap();
        let probes = [(); 2].map(|()| {
            let domain = domain.clone();
            thread::spawn(move || domain.probe(old))
        });
        domain.kill(old);
        let outcome = probes.map(|p| p.join().unwrap());
        assert!(domain.probe(old));
        assert_eq!(domain.deaths(), 1);
        outcome
    });
}

/// A task dies before each access of joining and leaving, beside a prober of whatever it sees; the
/// entry can be taken again.
#[test]
fn a_task_dies_joining_or_leaving() {
    check_deaths(Depth { dense: 2, wide: None }, &["(true, false)", "(true, true)"], |steps| {
        let domain = Domain::new(1);
        let (a, b) = (domain.clone(), domain.clone());
        let doomed = thread::spawn(move || {
            let held = Mutex::new(None);
            let life = || {
                let lock = |index: u32| {
                    // The kernel frees what a dying task holds, from the moment that it holds it.
                    let got = a.held[index as usize].swap_if(0, 1, SeqCst).is_ok();
                    *held.lock().unwrap() = got.then_some(index);
                    Ok::<_, ()>(got)
                };
                let task = a.roster.join(lock, |index| a.unlock(index)).unwrap().unwrap();
                a.ended.lock().unwrap().push(task);
                a.roster.leave(task);
            };
            let died = death::before(steps, life).is_none();
            if let Some(index) = *held.lock().unwrap() {
                let joined = a.roster.tasks().next();
                a.ended.lock().unwrap().extend(joined);
                a.unlock(index);
            }
            died
        });
        let prober =
            thread::spawn(move || b.roster.tasks().next().is_some_and(|task| b.probe(task)));
        let dead = prober.join().unwrap();
        let died = doomed.join().unwrap();
        let new = domain.join().expect("the entry is free again");
        assert!(!domain.probe(new));
        (died, (died, dead))
    });
}
