//! Memory: nobody is given a chunk without memory behind it, and none of it is lost by a death.

use super::*;
use crate::shm::slab::Head;
use loom::thread;

/// Classes of 192, 1024, 4096, 16384 and 65536 bytes; of the largest, whose chunks are given back from
/// the second on, `large` fit the budget.
fn queue_with_large(large: u64) -> Arc<Engine> {
    queue_of(Geometry::with_spare(1, 2, 65536, large * 65536, 0, 1).unwrap())
}

const MEDIUM: usize = 1;
const LARGE: usize = 4;

/// A chunk, which must be usable.
fn get(party: &Party, class: usize) -> Option<Chunk> {
    let chunk = party.allocate(class)?;
    let k = &party.engine.geo.classes[class];
    let ranges = [(k.header(chunk.index), k.header_stride), (k.body(chunk.index), k.body_stride)];
    for (offset, length) in ranges {
        assert!(party.engine.region.is_committed(offset, length), "a chunk without memory");
    }
    Some(chunk)
}

fn put(party: &Party, chunk: &Chunk) {
    assert!(party.engine.free(chunk));
    party.engine.trim(party.me, chunk);
}

/// With everybody else gone and nothing in use, all of a class can be had.
fn all_can_be_had(party: &Party, class: usize, count: usize) {
    let chunks: Vec<Chunk> = (0..count).map(|_| get(party, class).expect("it is free")).collect();
    assert!(party.engine.charged_bytes().unwrap() <= party.engine.geo.byte_budget);
    for chunk in &chunks {
        put(party, chunk);
    }
}

/// Two want the memory for one large chunk. They may both be refused, as both have put their hands
/// on it first; what they must not is both be given it.
#[test]
fn two_want_the_last_bytes_of_the_budget() {
    let outcomes = &["[true, false]", "[false, true]"];
    check(Depth { dense: 2, wide: Some(2) }, outcomes, || {
        // The budget is for one large chunk; the class has two.
        let mut geo = Geometry::with_spare(1, 2, 65536, 2 * 65536, 0, 1).unwrap();
        geo.byte_budget = 65536;
        let engine = queue_of(geo);
        let ledger = Arc::default();
        let [a, b] = [1, 2].map(|task| Party::new(&engine, &ledger, task));
        let got = [a.clone(), b].map(|party| thread::spawn(move || (get(&party, LARGE), party)));
        let got = got.map(|t| t.join().unwrap());
        let outcome = [got[0].0.is_some(), got[1].0.is_some()];
        assert_ne!(outcome, [true, true]);
        for (chunk, party) in &got {
            if let Some(chunk) = chunk {
                put(party, chunk);
            }
        }
        all_can_be_had(&a, LARGE, 1);
        outcome
    });
}

/// A large chunk is freed and given back to the system while somebody else looks for one.
#[test]
fn a_large_chunk_is_given_back_beside_an_allocation() {
    check(Depth { dense: 2, wide: Some(3) }, &["Some(0)", "Some(1)"], || {
        let engine = queue_with_large(2);
        let ledger = Arc::default();
        let [a, b] = [1, 2].map(|task| Party::new(&engine, &ledger, task));
        let (first, second) = (get(&a, LARGE).unwrap(), get(&a, LARGE).unwrap());
        put(&a, &first);
        let giver = a.clone();
        let giver = thread::spawn(move || put(&giver, &second));
        let taker = thread::spawn(move || {
            // The first one is kept and so is there to be had; but let it look further.
            let one = get(&b, LARGE)?;
            let two = get(&b, LARGE);
            let last = two.or(Some(one));
            put(&b, &one);
            two.inspect(|two| put(&b, two));
            last.map(|chunk| chunk.index)
        });
        giver.join().unwrap();
        let outcome = taker.join().unwrap();
        all_can_be_had(&a, LARGE, 2);
        outcome
    });
}

/// Somebody dies anywhere between asking for two large chunks and having given their memory back.
#[test]
fn a_user_of_large_chunks_dies() {
    check_deaths(Depth { dense: 0, wide: Some(0) }, &["true", "false"], |steps| {
        let engine = queue_with_large(2);
        let ledger = Arc::default();
        let [doomed, a] = [1, 2].map(|task| Party::new(&engine, &ledger, task));
        let life = || {
            let chunks = [get(&doomed, LARGE).unwrap(), get(&doomed, LARGE).unwrap()];
            chunks.iter().for_each(|chunk| put(&doomed, chunk));
        };
        let died = death::before(steps, life).is_none();
        engine.sweep(doomed.me).unwrap();
        all_can_be_had(&a, LARGE, 2);
        (died, died)
    });
}

/// Two extend a class at once, and the memory for the first of them is refused.
#[test]
fn two_extend_a_class_and_one_is_refused_memory() {
    for fail_after in 0..4 {
        explore(
            &Depth { dense: 2, wide: Some(3) },
            &Seen::default(),
            Arc::new(move || {
                let engine = queue_with_large(2);
                let ledger = Arc::default();
                let [a, b] = [1, 2].map(|task| Party::new(&engine, &ledger, task));
                engine.region.fail_commit_after(fail_after);
                let both = [a.clone(), b].map(|party| {
                    thread::spawn(move || {
                        let cursor = Word::new(0);
                        let Ok(Allocation::Chunk(chunk)) =
                            party.engine.allocate(party.me, MEDIUM, &cursor)
                        else {
                            return None;
                        };
                        Some((party, chunk))
                    })
                });
                let both = both.map(|t| t.join().unwrap());
                let k = &engine.geo.classes[MEDIUM];
                for (party, chunk) in both.iter().flatten() {
                    // Others have done what they had to do; the memory must still be there.
                    assert!(
                        engine.region.is_committed(k.body(chunk.index), k.body_stride),
                        "the memory of a chunk in use was given back"
                    );
                    assert!(party.engine.free(chunk));
                }
                all_can_be_had(&a, MEDIUM, k.count as usize);
            }),
        );
    }
}

/// Somebody dies anywhere in extending a class.
#[test]
fn a_user_dies_extending_a_class() {
    check_deaths(Depth { dense: 1, wide: Some(2) }, &["(true, true)", "(false, true)"], |steps| {
        let engine = queue_with_large(2);
        let ledger = Arc::default();
        let [doomed, a] = [1, 2].map(|task| Party::new(&engine, &ledger, task));
        let user = doomed.me;
        let doomed = thread::spawn(move || {
            let life = || get(&doomed, MEDIUM).map(|chunk| doomed.engine.free(&chunk));
            let died = death::before(steps, life).is_none();
            doomed.engine.sweep(user).unwrap();
            died
        });
        let beside = a.clone();
        let beside =
            thread::spawn(move || get(&beside, MEDIUM).inspect(|chunk| put(&beside, chunk)));
        let died = doomed.join().unwrap();
        let got = beside.join().unwrap().is_some();
        all_can_be_had(&a, MEDIUM, 2);
        engine.each_chunk(|_, _, head: Head| assert_eq!(head.state(), state::FREE)).unwrap();
        (died, (died, got))
    });
}
