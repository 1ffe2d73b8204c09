//! OP-TEE's attestation. Quotes are printed in the format of `GET /attestation`, for the host to
//! verify.

use optee_teec::{Context, Operation, ParamNone, ParamTmpRef, Session, Uuid, raw};
use proto::Hash;
use proto::command::{Attest, AttestReply};

use crate::fixtures::admin;
use crate::rules;
use crate::support::world::{provision, signed};
use crate::tee::Tee;
use crate::timings;

/// `PTA_ATTESTATION_UUID` and its commands (`pta_attestation.h`).
const PTA: &str = "39800861-182a-4720-9b67-2bcd622bc0b5";
const GET_TA_SHDR_DIGEST: u32 = 1;
const HASH_TA_MEMORY: u32 = 2;
const TA: &str = include_str!("../../uuid.txt");

/// On a machine whose OP-TEE supports attestation.
pub fn run(tee: &mut Tee) {
    rules!(
        tee,
        a_quote_covers_the_nonce_and_the_statement,
        a_provisioned_one_names_its_admin_and_its_signer,
        the_normal_world_gets_no_measurement_of_memory,
        the_normal_world_has_its_own_nonce_signed_over_another_digest,
    );
    let mut nonce = [0; 32];
    timings::print("a quote", 10, |number| {
        nonce[0] = number;
        tee.call(&Attest { nonce }).unwrap().quote.unwrap();
    });
}

/// The same after a power cycle.
pub fn again(tee: &mut Tee) {
    show("again", [0xb0; 32], &attest(tee, [0xb0; 32]));
}

/// On a machine whose OP-TEE does not.
pub fn unavailable(tee: &mut Tee) {
    rules!(tee, without_attestation_the_reply_has_a_statement_but_no_quote);
}

fn a_quote_covers_the_nonce_and_the_statement(tee: &mut Tee) {
    let (one, other) = (attest(tee, [0xa0; 32]), attest(tee, [0xa1; 32]));
    assert_eq!(one.statement, other.statement);
    assert_ne!(one.quote, other.quote);
    assert_eq!(one.statement.provisioned, None);
    show("fresh", [0xa0; 32], &one);
    show("other", [0xa1; 32], &other);
}

fn a_provisioned_one_names_its_admin_and_its_signer(tee: &mut Tee) {
    let tee_id = attest(tee, [0xa0; 32]).statement.tee_id;
    tee.call(&signed(provision(tee_id, admin().address(), 1), &admin())).unwrap();
    let reply = attest(tee, [0xa0; 32]);
    assert_eq!(reply.statement.provisioned.unwrap().admin, admin().address());
    show("provisioned", [0xa0; 32], &reply);
}

fn the_normal_world_gets_no_measurement_of_memory(_: &mut Tee) {
    let (mut context, mut out) = (Context::new().unwrap(), [0; 1024]);
    let mut operation =
        Operation::new(0, ParamTmpRef::new_input(&[0xa0; 32]), ParamTmpRef::new_output(&mut out), ParamNone, ParamNone);
    let refused = pta(&mut context).invoke_command(HASH_TA_MEMORY, &mut operation).unwrap_err();
    assert_eq!(refused.raw_code(), raw::TEEC_ERROR_ACCESS_DENIED);
}

/// A hostile host can have OP-TEE sign the challenge of a made-up statement, with the digest of the
/// signed file. The host's verifier has to refuse that.
fn the_normal_world_has_its_own_nonce_signed_over_another_digest(tee: &mut Tee) {
    let mut reply = attest(tee, [0xa0; 32]);
    reply.statement.provisioned.as_mut().unwrap().paymaster_signer = admin().address();
    let Hash(challenge) = reply.statement.challenge(&[0xa0; 32]);
    let (mut context, mut out) = (Context::new().unwrap(), [0; 1024]);
    let uuid = u128::from_str_radix(&TA.trim().replace('-', ""), 16).unwrap().to_be_bytes();
    // OP-TEE's struct layout, not the order of the text: its first three numbers are little endian.
    let uuid = [&[uuid[3], uuid[2], uuid[1], uuid[0], uuid[5], uuid[4], uuid[7], uuid[6]], &uuid[8..]].concat();
    let mut operation = Operation::new(
        0,
        ParamTmpRef::new_input(&uuid),
        ParamTmpRef::new_input(&challenge),
        ParamTmpRef::new_output(&mut out),
        ParamNone,
    );
    pta(&mut context).invoke_command(GET_TA_SHDR_DIGEST, &mut operation).unwrap();
    let length = operation.parameters().2.updated_size();
    let signed = &out[..length];
    let quote = reply.quote.unwrap();
    let forged = [&quote[..quote.len() - signed.len()], signed].concat();
    reply.quote = Some(proto::bytes::BoundedBytes::new(forged).unwrap());
    show("forged", [0xa0; 32], &reply);
}

fn without_attestation_the_reply_has_a_statement_but_no_quote(tee: &mut Tee) {
    let reply = tee.call(&Attest { nonce: [0xa0; 32] }).unwrap();
    assert_eq!(reply.quote, None);
    assert_eq!(reply.statement.provisioned, None);
}

fn pta(context: &mut Context) -> Session {
    context.open_session(Uuid::parse_str(PTA).unwrap()).unwrap()
}

fn attest(tee: &mut Tee, nonce: [u8; 32]) -> AttestReply {
    let reply = tee.call(&Attest { nonce }).unwrap();
    assert!(reply.quote.is_some(), "this OP-TEE has attestation");
    reply
}

fn show(name: &str, nonce: [u8; 32], reply: &AttestReply) {
    let statement = &reply.statement;
    let text = |address: Option<proto::Address>| address.map_or("null".to_owned(), |address| format!("\"{address}\""));
    let keys = statement.provisioned;
    let (admin, signer) = (text(keys.map(|keys| keys.admin)), text(keys.map(|keys| keys.paymaster_signer)));
    let standby = text(keys.and_then(|keys| keys.standby_paymaster_signer));
    println!(
        "attestation {name} {{\"nonce\":\"{}\",\"teeId\":\"{}\",\"version\":\"{}\",\"measurement\":\"{}\",\"counter\":{},\"admin\":{admin},\
         \"paymasterSigner\":{signer},\"standbyPaymasterSigner\":{standby},\"challenge\":\"{}\",\"quote\":\"{}\",\"quoteStatus\":\"present\"}}",
        hex(&nonce),
        statement.tee_id,
        *statement.version,
        statement.measurement,
        statement.counter,
        statement.challenge(&nonce),
        hex(reply.quote.as_ref().unwrap()),
    );
}

fn hex(bytes: &[u8]) -> String {
    let digits: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    format!("0x{digits}")
}
