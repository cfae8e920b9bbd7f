//! Points on a ring.

use super::{Member, hash};

/// The most points, as Envoy has it by default.
const MAXIMUM: f64 = 8_388_608.0;

/// The points in order, each with its member.
#[derive(Debug)]
pub(crate) struct Ring {
    points: Box<[(u64, u32)]>,
}

impl Ring {
    /// Each member has points in proportion to its weight; the lightest has a power of two of them. The ring is thus larger than
    /// it must be, but what is left when a member goes mostly keeps its number of points, so that its keys stay where they are:
    /// filled up to `minimum` exactly, as in Envoy, nearly as many keys of others move as of the one that goes.
    pub(super) fn new(minimum: u64, members: &[Member<'_>]) -> Self {
        let total: u64 = members.iter().map(|it| u64::from(it.weight)).sum();
        let Some(lightest) = members.iter().map(|it| it.weight).min() else {
            return Self {
                points: Box::default(),
            };
        };
        let lightest = f64::from(lightest) / total as f64;
        let fewest = (lightest * minimum.max(1) as f64).ceil().min(MAXIMUM) as u64;
        let scale = (fewest.next_power_of_two() as f64 / lightest).min(MAXIMUM);
        let mut points = Vec::with_capacity(scale.ceil() as usize);
        let mut target = 0.0;
        for (place, member) in (0u32..).zip(members) {
            let mut name = member.name.to_vec();
            name.push(b'_');
            let stem = name.len();
            target += scale * f64::from(member.weight) / total as f64;
            for number in 0u64.. {
                if points.len() as f64 >= target {
                    break;
                }
                name.truncate(stem);
                name.extend_from_slice(number.to_string().as_bytes());
                points.push((hash(&name), place));
            }
        }
        points.sort_unstable();
        Self {
            points: points.into(),
        }
    }

    pub(super) fn size(&self) -> usize {
        self.points.len()
    }

    /// The first point that is not before `hash`.
    pub(super) fn place(&self, hash: u64) -> usize {
        self.points.partition_point(|(point, _)| *point < hash)
    }

    pub(super) fn at(&self, place: usize) -> Option<usize> {
        self.points.get(place).map(|(_, member)| *member as usize)
    }
}
