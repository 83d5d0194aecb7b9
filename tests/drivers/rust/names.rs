//! Endless making, opening and deleting of things under a few names; see `tests/drivers/README.md`.

use crate::dice::Dice;
use crate::table::table;
use crate::wire::{Answer, Failure, Outcome, Request};
use mailboat::{
    Access, Domain, ErrorKind, Owner, Port, PortOptions, Result, Segment, SegmentOptions, Wait,
};

pub fn perform(request: &Request) -> Option<Outcome> {
    (request.verb == "storm_names").then(|| run(request))
}

fn run(request: &Request) -> Outcome {
    let domain = table().domain.clone();
    let domain = domain.ok_or_else(|| Failure::protocol("storm_names needs a domain"))?;
    let names: Vec<&str> = request.word("names")?.split(',').collect();
    let mut player = Player {
        domain,
        dice: Dice(request.need("seed")?),
        ports: [const { None }; 3],
        segments: [const { None }; 2],
    };
    let mut done = 0u64;
    while !table().stop {
        let name = names[player.dice.below(names.len() as u64) as usize];
        match player.act(name) {
            Ok(()) => done += 1,
            Err(e) if expected(e.kind()) => {}
            Err(e) => return Err(e.into()),
        }
    }
    Ok(Answer::new().with("done", done))
}

/// What others, who do the same at the same time, can be the reason of.
fn expected(kind: ErrorKind) -> bool {
    use ErrorKind::{AlreadyExists, Closed, Empty, Full, NotFound, Timeout};
    matches!(kind, AlreadyExists | Closed | Empty | Full | NotFound | Timeout)
}

struct Player {
    domain: Domain,
    dice: Dice,
    ports: [Option<Port>; 3],
    segments: [Option<Segment>; 2],
}

impl Player {
    fn act(&mut self, name: &str) -> Result<()> {
        let action = self.dice.below(12);
        let domain = &self.domain;
        let mut options = PortOptions::new().capacity(4).max_users(64);
        if self.dice.below(3) == 0 {
            options = options.owner(Owner::Task);
        }
        let place = &mut self.ports[self.dice.below(3) as usize];
        let room = &mut self.segments[self.dice.below(2) as usize];
        match action {
            0 => *place = Some(Port::create_in(domain, name, &options)?),
            1 => *place = Some(Port::open_or_create_in(domain, name, &options)?),
            2 | 3 => *place = Some(Port::open_in(domain, name)?),
            4 => *place = None,
            5 => Port::delete_in(domain, name)?,
            6 => {
                *room =
                    Some(Segment::open_or_create_in(domain, name, 5000, &SegmentOptions::new())?)
            }
            7 => *room = Some(Segment::open_in(domain, name, Access::ReadWrite)?),
            8 => Segment::delete_in(domain, name)?,
            9 => {
                if let Some(segment) = room {
                    segment.grow(segment.size() + 5000)?;
                }
            }
            10 => {
                if let Some(port) = place {
                    port.try_send(name.as_bytes())?;
                }
            }
            _ => {
                if let Some(port) = place {
                    // What is taken is given back when it is dropped.
                    drop(port.take_wait(Wait::from_nanos(1_000_000))?);
                }
            }
        }
        Ok(())
    }
}
