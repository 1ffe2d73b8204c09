//! One session with the trusted application, using temporary references.

use optee_teec::{Context, Operation, Param, ParamNone, ParamTmpRef, ParamType, ParamValue, Session, Uuid, raw};
use proto::command::Request;
use proto::limits::MAX_REPLY;
use proto::{Status, frame};

const UUID: &str = include_str!("../../uuid.txt");
pub const HANDLE_FRAME: u32 = 0;

pub struct Tee {
    context: Context,
    session: Session,
    reply: Vec<u8>,
}

impl Tee {
    pub fn open() -> optee_teec::Result<Self> {
        let mut context = Context::new()?;
        let session = Self::session(&mut context)?;
        Ok(Self { context, session, reply: vec![0; MAX_REPLY] })
    }

    /// Another session beside this one.
    pub fn reopen(&mut self) {
        self.session = Self::session(&mut self.context).expect("OP-TEE has loaded it already");
    }

    fn session(context: &mut Context) -> optee_teec::Result<Session> {
        context.open_session(Uuid::parse_str(UUID)?)
    }

    /// Like [`Self::call`], or OP-TEE's code if the trusted application has ended.
    pub fn try_call<R: Request>(&mut self, request: &R) -> Result<Result<R::Reply, Status>, u32> {
        let frame = frame::encode_request(request).expect("within the limits");
        let reply = self.try_handle(&frame).map_err(|error| error.raw_code())?;
        Ok(frame::decode_reply::<R>(&reply).expect("the reply parses"))
    }

    /// Returns the reply to a frame.
    pub fn handle(&mut self, frame: &[u8]) -> Vec<u8> {
        self.try_handle(frame).expect("a frame is always answered")
    }

    fn try_handle(&mut self, frame: &[u8]) -> optee_teec::Result<Vec<u8>> {
        self.invoke(HANDLE_FRAME, ParamTmpRef::new_input(frame))
    }

    /// Returns the reply to what `frame` refers to, under any command number.
    pub fn invoke(&mut self, command: u32, frame: impl Param) -> optee_teec::Result<Vec<u8>> {
        let mut operation = Operation::new(
            0,
            frame,
            ParamTmpRef::new_output(&mut self.reply),
            ParamValue::new(0, 0, ParamType::ValueOutput),
            ParamNone,
        );
        self.session.invoke_command(command, &mut operation)?;
        let (_, reply, length, _) = operation.parameters();
        let length = length.a() as usize;
        assert_eq!(reply.updated_size(), length, "p1 and p2 agree on the length");
        Ok(self.reply[..length].to_vec())
    }

    pub fn call<R: Request>(&mut self, request: &R) -> Result<R::Reply, Status> {
        let frame = frame::encode_request(request).expect("within the limits");
        frame::decode_reply::<R>(&self.handle(&frame)).expect("the reply parses")
    }

    /// Returns the code for a frame under another command number.
    pub fn handle_as(&mut self, command: u32, frame: &[u8]) -> u32 {
        code(self.invoke(command, ParamTmpRef::new_input(frame)).map(drop))
    }

    /// Returns the code of a command with a reply buffer of this size, and the length reported as
    /// needed.
    pub fn handle_with_room(&mut self, frame: &[u8], room: usize) -> (u32, usize) {
        let mut reply = vec![0; room];
        let mut operation = Operation::new(
            0,
            ParamTmpRef::new_input(frame),
            ParamTmpRef::new_output(&mut reply),
            ParamValue::new(0, 0, ParamType::ValueOutput),
            ParamNone,
        );
        let code = code(self.session.invoke_command(HANDLE_FRAME, &mut operation));
        (code, operation.parameters().1.updated_size())
    }

    /// Returns the code of a command with parameters of these types, with memory behind each memory
    /// reference.
    pub fn invoke_with_types(&mut self, command: u32, types: [Kind; 4]) -> u32 {
        let mut memory = [[0_u8; 64]; 4];
        let [m0, m1, m2, m3] = &mut memory;
        let mut operation = Operation::new(
            0,
            AnyParam::new(types[0], m0),
            AnyParam::new(types[1], m1),
            AnyParam::new(types[2], m2),
            AnyParam::new(types[3], m3),
        );
        code(self.session.invoke_command(command, &mut operation))
    }
}

fn code(result: optee_teec::Result<()>) -> u32 {
    result.map_or_else(|error| error.raw_code(), |()| raw::TEEC_SUCCESS)
}

/// The type of a parameter.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    None,
    ValueInput,
    ValueOutput,
    ValueInout,
    MemrefInput,
    MemrefOutput,
    MemrefInout,
}

impl Kind {
    pub const ALL: [Self; 7] = [
        Self::None,
        Self::ValueInput,
        Self::ValueOutput,
        Self::ValueInout,
        Self::MemrefInput,
        Self::MemrefOutput,
        Self::MemrefInout,
    ];
}

/// A parameter of any type, built like the library's typed ones.
struct AnyParam {
    kind: Kind,
    raw: raw::TEEC_Parameter,
}

impl AnyParam {
    fn new(kind: Kind, memory: &mut [u8]) -> Self {
        let raw = match kind {
            Kind::None | Kind::ValueInput | Kind::ValueOutput | Kind::ValueInout => {
                ParamValue::new(0, 0, ParamType::ValueInout).to_raw()
            }
            _ => ParamTmpRef::new_inout(memory).to_raw(),
        };
        Self { kind, raw }
    }
}

impl Param for AnyParam {
    fn to_raw(&mut self) -> raw::TEEC_Parameter {
        self.raw
    }

    fn param_type(&self) -> ParamType {
        match self.kind {
            Kind::None => ParamType::None,
            Kind::ValueInput => ParamType::ValueInput,
            Kind::ValueOutput => ParamType::ValueOutput,
            Kind::ValueInout => ParamType::ValueInout,
            Kind::MemrefInput => ParamType::MemrefTempInput,
            Kind::MemrefOutput => ParamType::MemrefTempOutput,
            Kind::MemrefInout => ParamType::MemrefTempInout,
        }
    }

    fn from_raw(raw: raw::TEEC_Parameter, _: ParamType) -> Self {
        Self { kind: Kind::None, raw }
    }
}
