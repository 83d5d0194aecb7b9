//! The algorithms over plain memory: against a simple model, at their limits, and over hostile words.

use super::layout::{FLAG_TIMESTAMPS, Geometry, at, chunk};
use super::region::Region;
use super::ring::{Claimed, Position, Published, Slot};
use super::slab::{Allocation, Chunk, Head, state};
use super::users::{Task, User};
use super::{Engine, found};
use crate::sync::{Relaxed, Word};
use std::collections::VecDeque;

/// A queue in plain memory with one user.
fn queue(geo: Geometry, available: u64) -> (Engine, User) {
    let region = Region::heap(geo.total, available);
    found(&region, &geo);
    let engine = Engine::new(region, geo);
    let user = engine.add_user(Task::new(1, 1)).unwrap();
    (engine, user)
}

fn small(capacity: u32, spare: u32) -> Geometry {
    Geometry::with_spare(capacity, 3, 192, 0, 0, spare).unwrap()
}

/// Small pseudo-random numbers, the same in every run (xorshift).
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % sides
    }
}

fn allocate(engine: &Engine, me: User, class: usize) -> Option<Chunk> {
    match engine.allocate(me, class, &Word::new(0)).unwrap() {
        Allocation::Chunk(chunk) => Some(chunk),
        _ => None,
    }
}

/// Sends a message that is only an id.
fn send(engine: &Engine, me: User, id: u64) -> bool {
    let Some(chunk) = allocate(engine, me, 0) else { return false };
    engine.field(&chunk, chunk::ID).store(id, Relaxed);
    engine.field(&chunk, chunk::LENGTH).store(8, Relaxed);
    match engine.publish(&chunk).unwrap() {
        Published::Done => true,
        Published::Full => {
            assert!(engine.free(&chunk));
            false
        }
    }
}

fn take(engine: &Engine, me: User) -> Option<(Chunk, u64)> {
    match engine.claim(me, u64::MAX).unwrap() {
        Claimed::Chunk(chunk, length) => {
            assert_eq!(length, 8);
            let id = engine.field(&chunk, chunk::ID).load(Relaxed);
            Some((chunk, id))
        }
        Claimed::Empty => None,
        Claimed::TooLong(_) => panic!("there is room for all"),
    }
}

fn states(engine: &Engine) -> [u32; 5] {
    let mut counts = [0; 5];
    engine.each_chunk(|_, _, head| counts[head.state() as usize] += 1).unwrap();
    counts
}

#[test]
fn words_keep_their_parts_apart() {
    let head = Head(0).allocated(0xffff);
    assert_eq!((head.state(), head.owner(), head.generation()), (state::OWNED, 0xffff, 1));
    let reading = head.to(state::READING, 3);
    assert_eq!((reading.owner(), reading.generation(), reading.redeliveries()), (3, 1, 0));
    let mut orphan = reading;
    for times in 1..300 {
        orphan = orphan.to(state::READING, 3).orphaned();
        assert_eq!(orphan.redeliveries(), times.min(255));
        assert_eq!((orphan.state(), orphan.owner(), orphan.generation()), (state::ORPHAN, 0, 1));
    }
    let anew = orphan.to(state::FREE, 0).allocated(1);
    assert_eq!((anew.redeliveries(), anew.generation()), (0, 2));
    let slot = Slot::full(5, 77, 0x3fff);
    assert_eq!((slot.number(), slot.is_nil(), slot.laps_ahead(5)), (77, false, 0));
    assert!(slot.emptied().is_nil());
    assert_eq!(slot.emptied(), Slot::empty(6));
}

#[test]
fn laps_compare_across_their_wrap() {
    let last = (1 << 22) - 1;
    for lap in [0u64, 1, last - 1, last, last + 1, 1 << 37] {
        assert_eq!(Slot::empty(lap).laps_ahead(lap), 0);
        assert_eq!(Slot::empty(lap + 1).laps_ahead(lap), 1);
        assert_eq!(Slot::empty(lap).laps_ahead(lap + 1), -1);
        assert_eq!(Slot::empty(lap).emptied(), Slot::empty(lap + 1));
    }
}

#[test]
fn positions_go_round_any_capacity() {
    for capacity in [1u32, 2, 3, 7, 8, 100] {
        let mut position = Position(0);
        for count in 0..3 * capacity as u64 + 1 {
            assert_eq!(position.count(capacity), count);
            assert_eq!(position.index(), count % capacity as u64);
            position = position.next(capacity);
        }
    }
}

#[test]
fn the_queue_behaves_like_a_simple_one() {
    let rounds = if cfg!(miri) { 300 } else { 20_000 };
    for capacity in [1u32, 2, 3, 5, 8, 33] {
        let (engine, me) = queue(small(capacity, 4), u64::MAX);
        let mut dice = Dice(0x9e37_79b9 + capacity as u64);
        let mut sent: VecDeque<u64> = VecDeque::new();
        // Given back: (order of sending, id, how often).
        let mut back: Vec<(u64, u32)> = Vec::new();
        let mut hand: Vec<(Chunk, u64, u32)> = Vec::new();
        let mut next = 1;
        for _ in 0..rounds {
            match dice.roll(7) {
                0..=2 => {
                    let full = sent.len() == capacity as usize;
                    let chunks = sent.len() + back.len() + hand.len();
                    let room = !full && chunks < capacity as usize + 4;
                    assert_eq!(send(&engine, me, next), room);
                    if room {
                        sent.push_back(next);
                        next += 1;
                    }
                }
                3..=4 => {
                    back.sort_unstable();
                    let expected = if back.is_empty() {
                        sent.pop_front().map(|id| (id, 0))
                    } else {
                        Some(back.remove(0))
                    };
                    let got = take(&engine, me);
                    assert_eq!(got.map(|(c, id)| (id, c.head.redeliveries())), expected);
                    if let Some((chunk, id)) = got {
                        hand.push((chunk, id, expected.unwrap().1));
                    }
                }
                which => {
                    if hand.is_empty() {
                        continue;
                    }
                    let (chunk, id, times) =
                        hand.swap_remove(dice.roll(hand.len() as u64) as usize);
                    if which == 5 {
                        assert!(engine.free(&chunk));
                        assert!(!engine.free(&chunk), "freed twice");
                    } else {
                        assert!(engine.give_back_message(&chunk));
                        assert!(!engine.give_back_message(&chunk), "given back twice");
                        back.push((id, times + 1));
                    }
                }
            }
            assert_eq!(engine.queued().unwrap(), sent.len() as u64);
            assert!(engine.has_message() || sent.is_empty() && back.is_empty());
            assert_eq!(engine.is_full().unwrap(), sent.len() == capacity as usize);
        }
    }
}

#[test]
fn the_sweep_settles_every_state_and_frees_the_place_last() {
    let (engine, me) = queue(small(4, 4), u64::MAX);
    let other = engine.add_user(Task::new(2, 1)).unwrap();
    assert!(send(&engine, other, 1) && send(&engine, other, 2) && send(&engine, other, 3));
    let (in_hand, _) = take(&engine, other).unwrap();
    let _loaned = allocate(&engine, other, 0).unwrap();
    let (mine, _) = take(&engine, me).unwrap();
    assert_eq!(states(&engine), [4, 2, 0, 2, 0]);
    assert!(engine.sweep(other).unwrap());
    // Free again: the loan. Queued: message 3. Orphan: message 1. Mine is still mine.
    assert_eq!(states(&engine), [5, 0, 1, 1, 1]);
    assert!(!engine.free(&in_hand), "no longer the dead one's");
    assert!(engine.free(&mine));
    assert!(!engine.sweep(other).unwrap(), "only once");
    let (again, id) = take(&engine, me).unwrap();
    assert_eq!((id, again.head.redeliveries()), (1, 1));
    assert!(engine.free(&again));
    let (last, id) = take(&engine, me).unwrap();
    assert_eq!((id, last.head.redeliveries()), (3, 0));
    assert!(engine.free(&last));
    assert!(take(&engine, me).is_none());
    assert_eq!(states(&engine), [8, 0, 0, 0, 0]);
    let next = engine.add_user(Task::new(2, 1)).unwrap();
    assert_eq!(next.place, other.place);
    assert_ne!(next.word, other.word, "the same task at the same place is another user");
}

#[test]
fn a_late_sweep_leaves_the_next_user_of_the_place_alone() {
    let (engine, _) = queue(small(4, 4), u64::MAX);
    let dead = engine.add_user(Task::new(2, 1)).unwrap();
    assert!(engine.sweep(dead).unwrap());
    let next = engine.add_user(Task::new(3, 1)).unwrap();
    assert_eq!(next.place, dead.place);
    assert!(send(&engine, next, 1));
    let (in_hand, _) = take(&engine, next).unwrap();
    assert!(!engine.sweep(dead).unwrap());
    assert!(engine.free(&in_hand), "still in the next user's hands");
}

#[test]
fn recovery_asks_once_for_each_task_and_spares_the_living() {
    let (engine, me) = queue(small(4, 4), u64::MAX);
    let dead = Task::new(2, 1);
    engine.add_user(dead).unwrap();
    engine.add_user(dead).unwrap();
    let mut asked = Vec::new();
    let cleared = engine
        .recover(Some(me.task()), |task| {
            asked.push(task);
            task == dead
        })
        .unwrap();
    assert_eq!((cleared, asked), (2, vec![dead]));
    assert_eq!(engine.users().collect::<Vec<_>>(), [me]);
    assert_eq!(engine.region.word(at::DEATHS).load(Relaxed), 2);
}

#[test]
fn a_table_of_users_fills_and_empties() {
    let (engine, _) = queue(small(1, 1), u64::MAX);
    let a = engine.add_user(Task::new(2, 1)).unwrap();
    engine.add_user(Task::new(3, 1)).unwrap();
    assert!(engine.add_user(Task::new(4, 1)).is_none());
    assert!(engine.remove_user(a));
    assert!(!engine.remove_user(a));
    assert_eq!(engine.add_user(Task::new(4, 1)).unwrap().place, a.place);
}

#[test]
fn what_is_too_long_stays_where_it_is() {
    let (engine, me) = queue(small(4, 4), u64::MAX);
    assert!(send(&engine, me, 1));
    assert!(matches!(engine.claim(me, 7).unwrap(), Claimed::TooLong(8)));
    let (chunk, id) = take(&engine, me).unwrap();
    assert_eq!(id, 1);
    assert!(engine.give_back_message(&chunk));
    assert!(matches!(engine.claim(me, 7).unwrap(), Claimed::TooLong(8)));
    assert_eq!(take(&engine, me).unwrap().1, 1);
}

/// Classes of 192, 1024, 4096 and 16384 bytes; budget for four of the largest.
fn with_classes() -> Geometry {
    Geometry::with_spare(4, 2, 16384, 65536, FLAG_TIMESTAMPS, 60).unwrap()
}

#[test]
fn the_byte_budget_goes_to_whichever_size_is_wanted() {
    let (engine, me) = queue(with_classes(), u64::MAX);
    let fill = |class| std::iter::from_fn(|| allocate(&engine, me, class)).collect::<Vec<_>>();
    let large = fill(3);
    assert_eq!(large.len(), 4);
    assert_eq!(engine.charged_bytes().unwrap(), 65536);
    assert!(fill(2).is_empty(), "the budget is used up");
    let kilobytes = fill(1);
    assert_eq!(kilobytes.len(), 64, "messages of up to 1 KiB need no budget");
    kilobytes.iter().for_each(|chunk| assert!(engine.free(chunk)));
    large.iter().for_each(|chunk| assert!(engine.free(chunk)));
    let middling = fill(2);
    assert_eq!(middling.len(), 16, "what was free elsewhere was given back for it");
    assert_eq!(engine.charged_bytes().unwrap(), 65536);
    middling.iter().for_each(|chunk| assert!(engine.free(chunk)));
    assert_eq!(fill(3).len(), 4);
}

#[test]
fn a_full_file_system_is_an_error_that_leaves_all_free() {
    // Enough for the headers and two of the large ones.
    let (engine, me) = queue(with_classes(), 4 * chunk::SIZE + 2 * 16384);
    let first = allocate(&engine, me, 3).unwrap();
    let second = allocate(&engine, me, 3).unwrap();
    for _ in 0..3 {
        let result = engine.allocate(me, 3, &Word::new(0));
        assert!(matches!(result, Err(super::Fault::NoSpace { needed: 16384 })), "{result:?}");
    }
    assert_eq!(engine.charged_bytes().unwrap(), 2 * 16384);
    assert!(engine.free(&first));
    let again = allocate(&engine, me, 3).unwrap();
    assert_eq!(again.index, first.index);
    assert!(engine.free(&again) && engine.free(&second));
    assert_eq!(states(&engine)[1..], [0; 4]);
}

/// Does everything once; whatever it finds must be an answer or an error.
fn exercise(engine: &Engine, me: User) {
    let cursor = Word::new(0);
    for class in 0..engine.geo.class_count {
        if let Ok(Allocation::Chunk(chunk)) = engine.allocate(me, class, &cursor) {
            engine.field(&chunk, chunk::LENGTH).store(8, Relaxed);
            if !matches!(engine.publish(&chunk), Ok(Published::Done)) {
                engine.free(&chunk);
            }
        }
    }
    let _ = engine.is_full();
    let _ = engine.queued();
    let _ = engine.has_message();
    let _ = engine.charged_bytes();
    for _ in 0..3 {
        if let Ok(Claimed::Chunk(chunk, length)) = engine.claim(me, 64) {
            assert!(length <= engine.geo.classes[chunk.class].size);
            engine.give_back_message(&chunk);
        }
        if let Ok(Claimed::Chunk(chunk, _)) = engine.claim(me, u64::MAX) {
            engine.free(&chunk);
            engine.trim(me, &chunk);
        }
    }
    let _ = engine.recover(Some(me.task()), |task| task.entry() % 2 == 0);
}

#[test]
fn no_word_however_wrong_does_harm() {
    let values = [0, 1, 2, 0xff, u64::MAX, u64::MAX >> 1, 1 << 63, 1 << 28, (1 << 28) - 1, 1 << 42];
    let (engine, _) = queue(small(2, 2), u64::MAX);
    let words = engine.geo.total / 8;
    drop(engine);
    let every = if cfg!(miri) { 37 } else { 1 };
    for word in (8..words).step_by(every) {
        for value in values {
            let (engine, me) = queue(small(2, 2), u64::MAX);
            send(&engine, me, 1);
            engine.region.word(8 * word).store(value, Relaxed);
            exercise(&engine, me);
        }
    }
}

#[test]
fn no_mess_however_large_does_harm() {
    let mut dice = Dice(0x1234_5678);
    for _ in 0..if cfg!(miri) { 3 } else { 2_000 } {
        let (engine, me) = queue(with_classes(), u64::MAX);
        send(&engine, me, 1);
        let end = engine.geo.classes[0].headers + 512;
        for offset in (64..end).step_by(8) {
            if dice.roll(3) == 0 {
                let value = dice.roll(u64::MAX) >> dice.roll(64);
                engine.region.word(offset).store(value, Relaxed);
            }
        }
        exercise(&engine, me);
    }
}

#[test]
fn words_that_change_all_the_time_do_no_harm() {
    if cfg!(miri) {
        // Miri shows data races between words and no others; the threads would only take long.
        return;
    }
    let (engine, me) = queue(small(4, 4), u64::MAX);
    let end = engine.geo.total / 8;
    let done = Word::new(0);
    std::thread::scope(|s| {
        s.spawn(|| {
            let mut dice = Dice(42);
            while done.load(Relaxed) == 0 {
                let word = 8 + dice.roll(end - 8);
                let value = dice.roll(u64::MAX) >> dice.roll(64);
                engine.region.word(8 * word).store(value, Relaxed);
            }
        });
        for _ in 0..3_000 {
            exercise(&engine, me);
        }
        done.store(1, Relaxed);
    });
}
