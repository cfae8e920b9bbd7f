//! A table that each member fills in an order of its own.

use xxhash_rust::xxh64::xxh64;

use super::{Member, hash};

/// The largest table, as Envoy has it.
const MAXIMUM: u64 = 5_000_011;

/// Of each entry, the member.
#[derive(Debug)]
pub(crate) struct Maglev {
    entries: Box<[u32]>,
}

/// The order in which one member takes entries.
struct Filler {
    member: u32,
    weight: u64,
    /// What the rounds' weights must reach for the next entry.
    due: u64,
    next: u64,
    skip: u64,
}

impl Maglev {
    /// Members take turns; one of half the weight of the heaviest sits out every second.
    pub(super) fn new(size: u64, members: &[Member<'_>]) -> Self {
        let size = size.clamp(1, MAXIMUM);
        let mut ordered: Vec<(u32, &Member<'_>)> = (0u32..).zip(members).collect();
        // So that proxies that know the endpoints in another order fill the table alike.
        ordered.sort_by_key(|(_, member)| member.name);
        let heaviest = members.iter().map(|it| u64::from(it.weight)).max();
        let mut fillers: Vec<Filler> = ordered
            .iter()
            .map(|(place, member)| Filler::new(*place, member, size))
            .collect();
        let Some(heaviest) = heaviest else {
            return Self {
                entries: Box::default(),
            };
        };
        let mut entries: Vec<Option<u32>> = vec![None; size as usize];
        let mut free = entries.len();
        for round in 1u64.. {
            for filler in &mut fillers {
                if free == 0 {
                    break;
                }
                if round * filler.weight >= filler.due {
                    filler.due += heaviest;
                    filler.take(&mut entries, size);
                    free -= 1;
                }
            }
            if free == 0 {
                break;
            }
        }
        Self {
            entries: entries.into_iter().flatten().collect(),
        }
    }

    pub(super) fn size(&self) -> usize {
        self.entries.len()
    }

    pub(super) fn place(&self, hash: u64) -> usize {
        // Less than the size of the table, or nothing is there to find.
        (hash % (self.entries.len() as u64).max(1)) as usize
    }

    pub(super) fn at(&self, place: usize) -> Option<usize> {
        self.entries.get(place).map(|member| *member as usize)
    }
}

impl Filler {
    fn new(place: u32, member: &Member<'_>, size: u64) -> Self {
        let mut skip = xxh64(member.name, 1) % (size - 1).max(1) + 1;
        // Steps that have no divisor in common with the size come by every entry. Of a prime size all are such.
        while common_divisor(skip, size) != 1 {
            skip += 1;
        }
        Self {
            member: place,
            weight: u64::from(member.weight),
            due: 0,
            next: hash(member.name) % size,
            skip,
        }
    }

    /// Takes the next entry that is free; there is one.
    fn take(&mut self, entries: &mut [Option<u32>], size: u64) {
        for _ in 0..size {
            let entry = entries.get_mut(self.next as usize);
            self.next = (self.next + self.skip) % size;
            if let Some(free @ None) = entry {
                *free = Some(self.member);
                return;
            }
        }
    }
}

fn common_divisor(mut one: u64, mut other: u64) -> u64 {
    while other != 0 {
        (one, other) = (other, one % other);
    }
    one
}
