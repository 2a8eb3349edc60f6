//! How many deliveries of each endpoint a worker sends at once.

use std::collections::HashMap;

use uuid::Uuid;

use crate::store::delivery::Capacity;

/// Deliveries that one worker sends at once.
pub(super) const AT_ONCE: usize = 64;

/// The same for one endpoint, and for one whose last delivery failed.
pub(super) const USUAL: i64 = 4;
const FAILING: i64 = 1;

/// The same for all endpoints whose last delivery failed, so that those that never answer leave capacity for the others.
const FAILING_AT_ONCE: usize = AT_ONCE / 2;

/// The endpoints with deliveries in flight or whose last delivery failed. All others have the usual capacity.
#[derive(Debug, Default)]
pub(super) struct EndpointLoads {
    loads: HashMap<Uuid, EndpointLoad>,
}

#[derive(Debug, Default)]
struct EndpointLoad {
    in_flight: usize,
    failing: bool,
}

impl EndpointLoads {
    /// A delivery to the endpoint begins.
    pub(super) fn begin(&mut self, endpoint: Uuid) {
        self.loads.entry(endpoint).or_default().in_flight += 1;
    }

    /// Notes whether the endpoint's last delivery failed.
    pub(super) fn set_failing(&mut self, endpoint: Uuid, failing: bool) {
        self.loads.entry(endpoint).or_default().failing = failing;
    }

    /// A delivery to the endpoint ended.
    pub(super) fn end(&mut self, endpoint: Uuid) {
        if let Some(load) = self.loads.get_mut(&endpoint) {
            load.in_flight = load.in_flight.saturating_sub(1);
            if load.in_flight == 0 && !load.failing {
                self.loads.remove(&endpoint);
            }
        }
    }

    /// How many more deliveries may be claimed of each of these endpoints.
    pub(super) fn capacities(&self) -> Vec<Capacity> {
        let failing = self.loads.values().filter(|load| load.failing);
        let in_flight: usize = failing.map(|load| load.in_flight).sum();
        let mut free_for_failing = FAILING_AT_ONCE.saturating_sub(in_flight);
        self.loads
            .iter()
            .map(|(endpoint, load)| Capacity {
                endpoint: *endpoint,
                free: if load.failing {
                    take_one(load, &mut free_for_failing)
                } else {
                    free(USUAL, load)
                },
                failing: load.failing,
            })
            .collect()
    }
}

/// The capacity of a failing endpoint: one delivery, while all of them together have any left.
fn take_one(load: &EndpointLoad, free_for_failing: &mut usize) -> i64 {
    if *free_for_failing == 0 {
        return 0;
    }
    let free = free(FAILING, load);
    *free_for_failing -= usize::from(free > 0);
    free
}

fn free(most: i64, load: &EndpointLoad) -> i64 {
    let in_flight = i64::try_from(load.in_flight).unwrap_or(i64::MAX);
    most.saturating_sub(in_flight).max(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn free_of(loads: &EndpointLoads, endpoint: Uuid) -> Option<i64> {
        let capacities = loads.capacities();
        let found = capacities.iter().find(|it| it.endpoint == endpoint);
        found.map(|it| it.free)
    }

    #[test]
    fn an_endpoint_has_four_deliveries_in_flight_and_a_failing_one_has_one() {
        let (mut loads, endpoint) = (EndpointLoads::default(), Uuid::now_v7());
        assert_eq!(free_of(&loads, endpoint), None);
        for free in [3, 2, 1, 0] {
            loads.begin(endpoint);
            assert_eq!(free_of(&loads, endpoint), Some(free));
        }
        loads.set_failing(endpoint, true);
        for free in [0, 0, 0, 1] {
            loads.end(endpoint);
            assert_eq!(free_of(&loads, endpoint), Some(free));
        }
        loads.begin(endpoint);
        loads.set_failing(endpoint, false);
        loads.end(endpoint);
        assert_eq!(free_of(&loads, endpoint), None, "it is as any other again");
    }

    #[test]
    fn failing_endpoints_together_have_half_of_the_capacity() {
        let mut loads = EndpointLoads::default();
        for _ in 0..AT_ONCE {
            loads.set_failing(Uuid::now_v7(), true);
        }
        let free = |loads: &EndpointLoads| -> i64 {
            let capacities = loads.capacities();
            capacities.iter().map(|it| it.free).sum()
        };
        assert_eq!(free(&loads), 32);
        for capacity in loads.capacities() {
            if capacity.free > 0 {
                loads.begin(capacity.endpoint);
            }
        }
        assert_eq!(free(&loads), 0);
    }
}
