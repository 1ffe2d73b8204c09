//! A TEE's initial settings, converted for the trusted application.

use kms_api::admin::{self, TeeSetup};
use proto::bytes::{Bounded, BoundedList, TooLong};
use proto::command::{Ceilings, RelyingParty};
use proto::json::InvalidField;
use proto::limits::{MAX_NAME, MAX_RELYING_PARTIES};

use crate::origin::Origin;

/// Converts them to the types of the admin's commands.
///
/// # Errors
/// The field that is too long, or an origin that no client would send.
pub fn read_setup(setup: TeeSetup) -> Result<(BoundedList<RelyingParty, MAX_RELYING_PARTIES>, Ceilings), InvalidField> {
    Ok((relying_parties(setup.relying_parties)?, setup.ceilings.try_into()?))
}

pub(super) fn relying_parties(
    parties: Vec<admin::RelyingParty>,
) -> Result<BoundedList<RelyingParty, MAX_RELYING_PARTIES>, InvalidField> {
    list("relyingParties", parties, relying_party)
}

fn relying_party(party: admin::RelyingParty) -> Result<RelyingParty, InvalidField> {
    let origins = list(ORIGINS, party.origins, |origin| read_origin(origin, &party.id))?;
    let id = Bounded::new(party.id).map_err(|problem| invalid("relyingParties.id", &problem))?;
    Ok(RelyingParty { id, origins })
}

const ORIGINS: &str = "relyingParties.origins";

/// Origins are compared byte by byte, and cannot be changed later. One that could never match is
/// refused: a browser serialises it differently, or has no passkey of that relying party there.
fn read_origin(text: String, id: &str) -> Result<Bounded<String, MAX_NAME>, InvalidField> {
    let origin: Origin = text.parse().map_err(|problem| invalid(ORIGINS, &problem))?;
    let written = origin.serialised();
    if !origin.belongs_to(id) {
        return Err(invalid(ORIGINS, &format!("{text} does not belong to {id}")));
    }
    if written != text {
        return Err(invalid(ORIGINS, &format!("browsers write {text} as {written}")));
    }
    Bounded::new(text).map_err(|problem| invalid(ORIGINS, &problem))
}

fn list<A, B, const MAX: usize>(
    field: &str,
    items: Vec<A>,
    read: impl Fn(A) -> Result<B, InvalidField>,
) -> Result<BoundedList<B, MAX>, InvalidField> {
    let items = items.into_iter().map(read).collect::<Result<_, _>>()?;
    BoundedList::new(items).map_err(|problem: TooLong| invalid(field, &problem))
}

fn invalid(field: &str, problem: &impl ToString) -> InvalidField {
    InvalidField { field: field.into(), problem: problem.to_string() }
}
