//! Simulates an operation's factory. A factory is untrusted code: it gets the gas that the
//! operation provides, reserved places at the node, and its own timeout, so that it slows nothing
//! else down.

use std::sync::Arc;

use alloy_json_rpc::ErrorPayload;
use alloy_primitives::{Bytes, hex};
use alloy_provider::transport::{RpcError, TransportResult};
use alloy_provider::{Provider, RootProvider};
use alloy_rpc_types_eth::{TransactionInput, TransactionRequest};
use alloy_sol_types::{SolCall, SolError, sol};
use proto::Address;

use super::left::{AfterCreation, Left, SimulatedBlock};
use super::node::Node;
use super::simulations::{SimulatedCall, Simulations};
use super::{ChainError, Creation};
use crate::clients::Asker;
use crate::detached::detached;

sol! {
    function getSenderAddress(bytes initCode);
    error SenderAddressResult(address sender);
}

/// Maximum gas for a factory: ten times what large accounts need, and little for a node.
const MAX_GAS: u64 = 10_000_000;
/// Gas of a call besides the factory's: the transaction, and the EntryPoint's part.
const AROUND: u64 = 60_000;
/// Maximum gas per byte of its data (EIP-7623).
const EACH_BYTE: u64 = 40;
/// Overhead of `getSenderAddress` around the factory's own data, in bytes.
const ENVELOPE: u64 = 128;

/// Runs factories on the node.
#[derive(Clone, Debug)]
pub(super) struct Factories {
    node: Node,
    /// Limits concurrent simulations, so that the node runs only a few at once and has time for
    /// other requests.
    simulations: Arc<Simulations>,
}

impl Factories {
    pub(super) fn of(node: Node) -> Self {
        let simulations = Arc::new(Simulations::new(node.patience()));
        Self { node, simulations }
    }

    /// Calls a factory like the EntryPoint.
    ///
    /// # Errors
    /// [`ChainError::FactoryNotRun`] if there is no place for it, or it takes too long, or did so
    /// recently. None of that says anything about the node.
    pub(super) async fn made_by(
        &self,
        entry_point: Address,
        (factory, data): (Address, &[u8]),
        verification_gas_limit: u128,
        asker: &Asker,
    ) -> Result<Creation, ChainError> {
        let ask = getSenderAddressCall { initCode: [&factory.0[..], data].concat().into() };
        let request = TransactionRequest {
            gas: Some(gas(verification_gas_limit, data.len())),
            ..TransactionRequest::default().to(entry_point.into()).input(TransactionInput::new(ask.abi_encode().into()))
        };
        let call = |provider: RootProvider| async move { provider.call(request).await };
        let answer = self.run(entry_point, (factory, data), asker, call).await?;
        created(&self.node, entry_point, answer)
    }

    /// The account with its code and these slots as a factory would leave them; `None` if the
    /// node cannot simulate that, or the factory fails.
    ///
    /// # Errors
    /// As [`Self::made_by`].
    pub(super) async fn left_by(
        &self,
        entry_point: Address,
        (factory, data): (Address, &[u8]),
        creation: &AfterCreation<'_>,
        asker: &Asker,
    ) -> Result<Option<Left>, ChainError> {
        let init_code = [&factory.0[..], data].concat();
        let request = creation.request(entry_point, init_code, gas(creation.verification_gas_limit, data.len()));
        let call = |provider: RootProvider| async move {
            provider.raw_request::<_, Vec<SimulatedBlock>>("eth_simulateV1".into(), (request, "latest")).await
        };
        match self.run(entry_point, (factory, data), asker, call).await? {
            Ok(blocks) => Ok(creation.left(&blocks)),
            Err(error) => creation.refused(&self.node, &error),
        }
    }

    /// Runs a factory in a place of the asker's.
    async fn run<T: Send + 'static, Q: Future<Output = TransportResult<T>> + Send>(
        &self,
        entry_point: Address,
        (factory, data): (Address, &[u8]),
        asker: &Asker,
        call: impl FnOnce(RootProvider) -> Q + Send + 'static,
    ) -> Result<TransportResult<T>, ChainError> {
        let Self { node, simulations } = self.clone();
        let not_run = move || ChainError::FactoryNotRun { factory };
        let simulated = SimulatedCall::of(entry_point, factory, data);
        let place = simulations.place(simulated, asker, node.patience()).await.ok_or_else(not_run)?;
        let run = async move {
            let too_slow = || {
                simulations.note_slow(simulated);
                not_run()
            };
            let answer = node.within_or(call(node.provider().clone()), too_slow).await?;
            drop(place);
            Ok(answer)
        };
        // A caller that hangs up does not stop the node, so the place stays taken until it is done.
        detached(run).await.unwrap_or_else(|| Err(not_run()))
    }
}

/// The gas that the EntryPoint gives a factory; each call on the way keeps a 64th. Zero means that
/// the limit is not known yet.
fn gas(verification_gas_limit: u128, length: usize) -> u64 {
    let limit = match u64::try_from(verification_gas_limit) {
        Ok(limit) if limit > 0 && limit < MAX_GAS => limit,
        _ => return MAX_GAS,
    };
    let bytes = u64::try_from(length).unwrap_or(u64::MAX).saturating_add(ENVELOPE);
    let around = AROUND.saturating_add(bytes.saturating_mul(EACH_BYTE));
    (limit + limit / 31).saturating_add(around).min(MAX_GAS)
}

/// `getSenderAddress` answers by reverting, with the zero address if the factory failed.
fn created(node: &Node, entry_point: Address, answer: TransportResult<Bytes>) -> Result<Creation, ChainError> {
    let Err(error) = answer else {
        let detail = "it returns, and should revert with SenderAddressResult".to_owned();
        return Err(ChainError::Contract { contract: entry_point, function: getSenderAddressCall::SIGNATURE, detail });
    };
    let RpcError::ErrorResp(payload) = &error else {
        return Err(node.describe(&error));
    };
    match payload.data.as_ref().and_then(|data| sender_address(data.get())) {
        Some(zero) if zero == Address::default() => Ok(Creation::Nothing),
        Some(account) => Ok(Creation::Account(account)),
        None if is_out_of_gas(payload) => Ok(Creation::Nothing),
        None => Err(node.contract_error::<getSenderAddressCall>(entry_point, &error)),
    }
}

/// Nodes report this only as text.
fn is_out_of_gas(payload: &ErrorPayload) -> bool {
    let message = payload.message.to_ascii_lowercase();
    ["out of gas", "intrinsic gas", "gas required exceeds"].iter().any(|words| message.contains(words))
}

/// Nodes return revert data as a string, inside an object, or after a prefix ("Reverted 0x…"), so
/// it is found by its selector.
fn sender_address(data: &str) -> Option<Address> {
    let (_, argument) = data.split_once(&hex::encode(SenderAddressResult::SELECTOR))?;
    let word = hex::decode(argument.get(..64)?).ok()?;
    let (padding, address) = word.split_at(12);
    let address = <[u8; 20]>::try_from(address).ok()?;
    padding.iter().all(|byte| *byte == 0).then_some(Address(address))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SENDER: &str = "000000000000000000000000aabbccddeeff00112233445566778899aabbccdd";

    #[test]
    fn revert_data_is_found_however_the_node_wraps_it() {
        let expected = "0xaabbccddeeff00112233445566778899aabbccdd".parse().ok();
        for data in [
            format!("\"0x6ca7b806{SENDER}\""),
            format!("\"Reverted 0x6ca7b806{SENDER}\""),
            format!("{{\"data\":\"0x6ca7b806{SENDER}\",\"message\":\"reverted\"}}"),
        ] {
            assert_eq!(sender_address(&data), expected, "{data}");
        }
        for data in ["null", "\"0x\"", "\"0x6ca7b806\"", "\"0x6ca7b80600\""] {
            assert_eq!(sender_address(data), None, "{data}");
        }
        assert_eq!(sender_address(&format!("\"0x6ca7b806{}{}\"", "01".repeat(12), "00".repeat(20))), None);
    }

    #[test]
    fn a_factory_gets_no_more_than_the_operation_has_for_it_and_never_more_than_the_bound() {
        assert!((300_000..400_000).contains(&gas(300_000, 200)));
        for unbounded in [0, u128::from(MAX_GAS), u128::MAX] {
            assert_eq!(gas(unbounded, 200), MAX_GAS);
        }
        assert_eq!(gas(300_000, usize::MAX), MAX_GAS);
    }
}
