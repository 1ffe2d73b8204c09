//! The entry point: parameter types, the reply buffer, frames up to the largest.

use optee_teec::raw::{TEEC_ERROR_BAD_PARAMETERS, TEEC_ERROR_NOT_SUPPORTED, TEEC_ERROR_SHORT_BUFFER, TEEC_SUCCESS};
use proto::bytes::{CallData, FactoryData};
use proto::command::{GetWalletInfo, Request, VerifySecurityState};
use proto::limits::{MAX_CALL_DATA, MAX_FACTORY_DATA, MAX_REPLY};
use proto::{EntryPointVersion, Init, frame};

use crate::fixtures::{ACCOUNT, passkey, relay};
use crate::rules;
use crate::support::requests::{Draft, sponsor};
use crate::tee::{Kind, Tee};

const RIGHT: [Kind; 4] = [Kind::MemrefInput, Kind::MemrefOutput, Kind::ValueOutput, Kind::None];

pub fn run(tee: &mut Tee) {
    rules!(
        tee,
        every_wrong_combination_of_parameter_types_is_bad_parameters,
        another_command_number_is_not_supported,
        the_largest_operation_fits,
    );
}

fn every_wrong_combination_of_parameter_types_is_bad_parameters(tee: &mut Tee) {
    let mut tried = 0;
    for a in Kind::ALL {
        for b in Kind::ALL {
            for c in Kind::ALL {
                for d in Kind::ALL {
                    let types = [a, b, c, d];
                    // With the right types, the buffer is too small here.
                    let expected = if types == RIGHT { TEEC_ERROR_SHORT_BUFFER } else { TEEC_ERROR_BAD_PARAMETERS };
                    assert_eq!(tee.invoke_with_types(0, types), expected);
                    tried += 1;
                }
            }
        }
    }
    assert_eq!(tried, 2401);
}

fn another_command_number_is_not_supported(tee: &mut Tee) {
    let frame = frame::encode_request(&proto::command::Hello).unwrap();
    for command in [1, 30, u32::MAX] {
        assert_eq!(tee.handle_as(command, &frame), TEEC_ERROR_NOT_SUPPORTED);
    }
    assert_eq!(tee.handle_as(0, &frame), TEEC_SUCCESS);
}

/// A command with permanent effects changes nothing if there is no room for its reply. The callers
/// then send the same command with room.
pub fn changes_nothing_without_room<R: Request>(tee: &mut Tee, command: &R) {
    let (state, account) = (VerifySecurityState, GetWalletInfo { account_id: ACCOUNT.parse().unwrap() });
    let questions = [frame::encode_request(&state).unwrap(), frame::encode_request(&account).unwrap()];
    let before = questions.each_ref().map(|question| tee.handle(question));
    let frame = frame::encode_request(command).unwrap();
    for room in [0, 1, 4, MAX_REPLY - 1] {
        assert_eq!(tee.handle_with_room(&frame, room), (TEEC_ERROR_SHORT_BUFFER, MAX_REPLY), "{room} bytes");
        assert_eq!(questions.each_ref().map(|question| tee.handle(question)), before);
    }
    println!("without room, nothing changed: {:?}", R::OPCODE);
}

fn the_largest_operation_fits(tee: &mut Tee) {
    let mut command = sponsor(EntryPointVersion::V07, ACCOUNT, 1);
    command.op.call_data = CallData::new(vec![0xca; MAX_CALL_DATA]).unwrap();
    let Init::Factory { data, .. } = &mut command.op.init else { panic!("an operation that deploys") };
    *data = FactoryData::new(vec![0xfa; MAX_FACTORY_DATA]).unwrap();
    let command = command.approved(&passkey(), &relay());
    for _ in 0..20 {
        tee.call(&command).unwrap();
    }
}
