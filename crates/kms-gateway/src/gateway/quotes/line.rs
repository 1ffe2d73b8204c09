//! The requests of one client that wait for a quote. They may come from many people, for example
//! behind an ingress that is not listed. So every request since the client's last turn has the same
//! chance of the next one, however often the others ask.

use super::super::GatewayError;

/// Maximum number of requests of one client that wait at once.
pub(super) const PLACES: usize = 4;

#[derive(Default)]
pub(super) struct Line {
    /// In random order: the first gets the client's next turn.
    requests: Vec<u64>,
    /// Requests since the client's last turn, including those without a place.
    came: usize,
}

#[derive(Debug, PartialEq, Eq)]
pub(super) enum Joined {
    FreePlace,
    /// The place of another request, which is dropped.
    PlaceOfAnother,
    NoPlace,
}

impl Line {
    /// If more requests have come than there are places, the places are assigned as in Vitter's
    /// algorithm R (reservoir sampling).
    pub(super) fn join(&mut self, request: u64) -> Result<Joined, GatewayError> {
        self.came += 1;
        let waiting = self.requests.len();
        if waiting < PLACES {
            let place = random_below(waiting + 1)?;
            self.requests.push(request);
            self.requests.swap(place, waiting);
            return Ok(Joined::FreePlace);
        }
        let place = random_below(self.came)?;
        Ok(match self.requests.get_mut(place) {
            Some(other) => {
                *other = request;
                Joined::PlaceOfAnother
            }
            None => Joined::NoPlace,
        })
    }

    pub(super) fn holds(&self, request: u64) -> bool {
        self.requests.contains(&request)
    }

    pub(super) fn is_next(&self, request: u64) -> bool {
        self.requests.first() == Some(&request)
    }

    pub(super) fn leave(&mut self, request: u64) {
        self.requests.retain(|other| *other != request);
    }

    /// The client's turn is given to this request.
    pub(super) fn take_turn(&mut self, request: u64) {
        self.leave(request);
        self.came = self.requests.len();
    }

    pub(super) fn is_empty(&self) -> bool {
        self.requests.is_empty()
    }
}

fn random_below(bound: usize) -> Result<usize, GatewayError> {
    let random = getrandom::u64().map_err(|_| GatewayError::Internal)?;
    usize::try_from(random % bound as u64).map_err(|_| GatewayError::Internal)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_request_has_the_same_chance_whenever_it_arrived() {
        const REQUESTS: usize = 20;
        let mut turns = [0_u32; REQUESTS];
        for _ in 0..4000 {
            let mut line = Line::default();
            for request in 0..REQUESTS as u64 {
                line.join(request).unwrap();
            }
            for (request, turns) in turns.iter_mut().enumerate() {
                *turns += u32::from(line.is_next(request as u64));
            }
        }
        // 200 each; 100 is seven standard deviations away.
        assert!(turns.iter().all(|turns| (100..300).contains(turns)), "{turns:?}");
    }

    #[test]
    fn a_free_place_goes_to_the_next_request() {
        let mut line = Line::default();
        for request in 0..1000 {
            line.join(request).unwrap();
        }
        let waiting = line.requests.clone();
        assert_eq!(waiting.len(), PLACES);
        line.leave(waiting[2]);
        assert_eq!(line.join(1000).unwrap(), Joined::FreePlace);
        line.take_turn(line.requests[0]);
        assert!(!line.is_empty() && line.requests.len() == PLACES - 1);
        assert_eq!(line.came, PLACES - 1);
    }
}
