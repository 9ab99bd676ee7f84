//! The machine that runs a filter.
//!
//! Owns the machine and what makes a program sound. Whoever wrote one, it ends, reads nothing but the frame, and holds nothing up:
//! what cannot be run is refused when it is loaded, and what loads beyond the frame's end, divides by zero or takes too many steps does
//! not match.
//!
//! The machine is that of McCanne and Jacobson, "The BSD Packet Filter" (1993), with the operations that libpcap has added since
//! (MOD, XOR). As there, an unconditional jump may go back: `ip6 protochain` is a loop.

/// Instructions of a program, at most.
pub const MOST: usize = 2_048;
/// Steps that it takes for a frame, at most.
const STEPS: usize = 4_096;
/// Cells of the machine's memory.
const CELLS: usize = 16;

/// An instruction as it is written everywhere: what to do, two distances to jump by, a number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Instruction {
    /// Operation, width, and where its operand is.
    pub code: u16,
    /// How many instructions are passed over if a condition holds.
    pub jt: u8,
    /// If it does not.
    pub jf: u8,
    /// The operand, or where it stands.
    pub k: u32,
}

/// Why a program is not run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProgramError {
    /// No instructions.
    #[error("the filter program is empty: it has no instruction that ends it")]
    Empty,
    /// More than are run.
    #[error("the filter program has {0} instructions, at most {MOST} are run: write a shorter filter")]
    TooLong(usize),
    /// No such operation.
    #[error("instruction {at} of the filter program has code {code:#06x}, which is none of the BPF machine's")]
    Unknown {
        /// Its place, from 0.
        at: usize,
        /// Its code.
        code: u16,
    },
    /// A jump out of the program.
    #[error("instruction {0} of the filter program jumps out of it")]
    Jump(usize),
    /// A cell that the machine does not have.
    #[error("instruction {0} of the filter program uses a memory cell beyond the {CELLS} there are")]
    Cell(usize),
    /// A constant zero as divisor.
    #[error("instruction {0} of the filter program divides by zero")]
    Zero(usize),
    /// It goes on beyond its last instruction.
    #[error("the filter program does not end with a return")]
    NoReturn,
}

/// A sound program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Program(pub(super) Box<[Step]>);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Width {
    Byte,
    Half,
    Word,
}

/// Where an operand is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Operand {
    Constant(u32),
    X,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Arithmetic {
    Add,
    Subtract,
    Multiply,
    Divide,
    Or,
    And,
    ShiftLeft,
    ShiftRight,
    Modulo,
    Xor,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Condition {
    Equal,
    Greater,
    AtLeast,
    AnyBit,
}

/// An instruction, read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// A becomes what stands in the frame, so far from its beginning.
    Load(Width, u32),
    /// So far from X.
    LoadAtX(Width, u32),
    Set(u32),
    SetLength,
    Recall(u8),
    SetX(u32),
    SetXLength,
    RecallX(u8),
    /// X becomes four times the lower half of a byte of the frame: the length of an IP header.
    SetXHeader(u32),
    Store(u8),
    StoreX(u8),
    Compute(Arithmetic, Operand),
    Negate,
    /// To the instruction at this place.
    Jump(u16),
    /// To one of two places.
    Branch(Condition, Operand, [u16; 2]),
    Return(u32),
    ReturnA,
    CopyToX,
    CopyToA,
}

impl Program {
    /// Reads a program and finds it sound.
    ///
    /// # Errors
    ///
    /// [`ProgramError`]: the first thing that is wrong.
    pub fn new(instructions: &[Instruction]) -> Result<Program, ProgramError> {
        match instructions.len() {
            0 => return Err(ProgramError::Empty),
            count if count > MOST => return Err(ProgramError::TooLong(count)),
            _ => {}
        }
        let read = |(at, instruction)| Step::read(at, instruction, instructions.len());
        let steps: Box<[Step]> = instructions.iter().enumerate().map(read).collect::<Result<_, _>>()?;
        match steps.last() {
            Some(Step::Return(_) | Step::ReturnA) => Ok(Program(steps)),
            _ => Err(ProgramError::NoReturn),
        }
    }

    /// Whether the frame is meant. `length` is that of the whole frame, of which `bytes` may be only the beginning.
    #[inline]
    pub fn matches(&self, bytes: &[u8], length: usize) -> bool {
        self.run(bytes, length as u32).is_some_and(|said| said != 0)
    }

    /// What the program returns; `None`: it was ended.
    fn run(&self, bytes: &[u8], length: u32) -> Option<u32> {
        let (mut a, mut x, mut cells, mut at) = (0u32, 0u32, [0u32; CELLS], 0usize);
        for _ in 0..STEPS {
            let step = *self.0.get(at)?;
            at += 1;
            match step {
                Step::Load(width, from) => a = load(bytes, width, from)?,
                Step::LoadAtX(width, from) => a = load(bytes, width, x.checked_add(from)?)?,
                Step::Set(value) => a = value,
                Step::SetLength => a = length,
                Step::Recall(cell) => a = *cells.get(usize::from(cell))?,
                Step::SetX(value) => x = value,
                Step::SetXLength => x = length,
                Step::RecallX(cell) => x = *cells.get(usize::from(cell))?,
                Step::SetXHeader(from) => x = (load(bytes, Width::Byte, from)? & 0xf) * 4,
                Step::Store(cell) => *cells.get_mut(usize::from(cell))? = a,
                Step::StoreX(cell) => *cells.get_mut(usize::from(cell))? = x,
                Step::Compute(how, operand) => a = how.of(a, operand.value(x))?,
                Step::Negate => a = a.wrapping_neg(),
                Step::Jump(to) => at = usize::from(to),
                Step::Branch(condition, operand, [yes, no]) => {
                    at = usize::from(if condition.holds(a, operand.value(x)) { yes } else { no });
                }
                Step::Return(value) => return Some(value),
                Step::ReturnA => return Some(a),
                Step::CopyToX => x = a,
                Step::CopyToA => a = x,
            }
        }
        None
    }
}

impl Operand {
    #[inline(always)]
    fn value(self, x: u32) -> u32 {
        match self {
            Operand::Constant(value) => value,
            Operand::X => x,
        }
    }
}

impl Arithmetic {
    #[inline(always)]
    fn of(self, a: u32, with: u32) -> Option<u32> {
        Some(match self {
            Arithmetic::Add => a.wrapping_add(with),
            Arithmetic::Subtract => a.wrapping_sub(with),
            Arithmetic::Multiply => a.wrapping_mul(with),
            Arithmetic::Divide => a.checked_div(with)?,
            Arithmetic::Modulo => a.checked_rem(with)?,
            Arithmetic::Or => a | with,
            Arithmetic::And => a & with,
            Arithmetic::Xor => a ^ with,
            Arithmetic::ShiftLeft => a.checked_shl(with).unwrap_or(0),
            Arithmetic::ShiftRight => a.checked_shr(with).unwrap_or(0),
        })
    }
}

impl Condition {
    #[inline(always)]
    fn holds(self, a: u32, with: u32) -> bool {
        match self {
            Condition::Equal => a == with,
            Condition::Greater => a > with,
            Condition::AtLeast => a >= with,
            Condition::AnyBit => a & with != 0,
        }
    }
}

#[inline(always)]
fn load(bytes: &[u8], width: Width, from: u32) -> Option<u32> {
    let rest = bytes.get(from as usize..)?;
    Some(match width {
        Width::Byte => u32::from(*rest.first()?),
        Width::Half => u32::from(u16::from_be_bytes(*rest.first_chunk()?)),
        Width::Word => u32::from_be_bytes(*rest.first_chunk()?),
    })
}

impl Step {
    /// Reads the instruction at `at` of so many.
    fn read(at: usize, instruction: &Instruction, count: usize) -> Result<Step, ProgramError> {
        let Instruction { code, k, .. } = *instruction;
        let unknown = ProgramError::Unknown { at, code };
        match code & 7 {
            0 => Step::load(code, k, at),
            1 => Ok(match code {
                0x01 => Step::SetX(k),
                0x81 => Step::SetXLength,
                0x61 => Step::RecallX(cell(k, at)?),
                0xb1 => Step::SetXHeader(k),
                _ => return Err(unknown),
            }),
            2 if code == 0x02 => Ok(Step::Store(cell(k, at)?)),
            3 if code == 0x03 => Ok(Step::StoreX(cell(k, at)?)),
            4 => Step::compute(code, k, at),
            5 => Step::jump(instruction, at, count),
            6 => match code {
                0x06 => Ok(Step::Return(k)),
                0x16 => Ok(Step::ReturnA),
                _ => Err(unknown),
            },
            7 => match code {
                0x07 => Ok(Step::CopyToX),
                0x87 => Ok(Step::CopyToA),
                _ => Err(unknown),
            },
            _ => Err(unknown),
        }
    }

    fn load(code: u16, k: u32, at: usize) -> Result<Step, ProgramError> {
        let width = match code & 0x18 {
            0x00 => Width::Word,
            0x08 => Width::Half,
            0x10 => Width::Byte,
            _ => return Err(ProgramError::Unknown { at, code }),
        };
        match (code & !0x18, width) {
            (0x20, width) => Ok(Step::Load(width, k)),
            (0x40, width) => Ok(Step::LoadAtX(width, k)),
            (0x00, Width::Word) => Ok(Step::Set(k)),
            (0x80, Width::Word) => Ok(Step::SetLength),
            (0x60, Width::Word) => Ok(Step::Recall(cell(k, at)?)),
            _ => Err(ProgramError::Unknown { at, code }),
        }
    }

    fn compute(code: u16, k: u32, at: usize) -> Result<Step, ProgramError> {
        let operand = operand(code, k);
        let how = match code & !0x0f {
            0x00 => Arithmetic::Add,
            0x10 => Arithmetic::Subtract,
            0x20 => Arithmetic::Multiply,
            0x30 => Arithmetic::Divide,
            0x40 => Arithmetic::Or,
            0x50 => Arithmetic::And,
            0x60 => Arithmetic::ShiftLeft,
            0x70 => Arithmetic::ShiftRight,
            0x80 => return Ok(Step::Negate),
            0x90 => Arithmetic::Modulo,
            0xa0 => Arithmetic::Xor,
            _ => return Err(ProgramError::Unknown { at, code }),
        };
        match (how, operand) {
            (Arithmetic::Divide | Arithmetic::Modulo, Operand::Constant(0)) => Err(ProgramError::Zero(at)),
            _ => Ok(Step::Compute(how, operand)),
        }
    }

    fn jump(&Instruction { code, jt, jf, k }: &Instruction, at: usize, count: usize) -> Result<Step, ProgramError> {
        // There are at most 4,096 instructions; a distance that is negative wraps around, as in any BPF machine.
        let place = |distance: u32| {
            let to = (at as u32).wrapping_add(1).wrapping_add(distance);
            if (to as usize) < count { Ok(to as u16) } else { Err(ProgramError::Jump(at)) }
        };
        let condition = match code & !0x0f {
            0x00 if code == 0x05 => return Ok(Step::Jump(place(k)?)),
            0x10 => Condition::Equal,
            0x20 => Condition::Greater,
            0x30 => Condition::AtLeast,
            0x40 => Condition::AnyBit,
            _ => return Err(ProgramError::Unknown { at, code }),
        };
        Ok(Step::Branch(condition, operand(code, k), [place(jt.into())?, place(jf.into())?]))
    }
}

fn operand(code: u16, k: u32) -> Operand {
    if code & 0x08 == 0 { Operand::Constant(k) } else { Operand::X }
}

fn cell(k: u32, at: usize) -> Result<u8, ProgramError> {
    u8::try_from(k).ok().filter(|cell| usize::from(*cell) < CELLS).ok_or(ProgramError::Cell(at))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn program(rows: &[(u16, u8, u8, u32)]) -> Result<Program, ProgramError> {
        let instructions: Vec<_> = rows.iter().map(|&(code, jt, jf, k)| Instruction { code, jt, jf, k }).collect();
        Program::new(&instructions)
    }

    /// As libpcap compiles `udp`, IPv4 only.
    const UDP: [(u16, u8, u8, u32); 6] = [
        (0x28, 0, 0, 12),
        (0x15, 0, 3, 0x800),
        (0x30, 0, 0, 23),
        (0x15, 0, 1, 17),
        (0x06, 0, 0, 65_535),
        (0x06, 0, 0, 0),
    ];

    #[test]
    fn a_frame_matches_by_what_stands_in_it() {
        let udp = program(&UDP).unwrap();
        let mut frame = [0u8; 60];
        frame[12] = 8;
        assert!(!udp.matches(&frame, 60));
        frame[23] = 17;
        assert!(udp.matches(&frame, 60));
        assert!(!udp.matches(&frame[..23], 60), "what is loaded from beyond the end does not match");
    }

    #[test]
    fn each_operation_does_what_the_machine_says() {
        // A of the frame's first byte, then the operation with 3, or with X = 3.
        for (code, a, expected) in [
            (0x04, 5, 8),
            (0x14, 2, u32::MAX),
            (0x24, 5, 15),
            (0x34, 7, 2),
            (0x44, 4, 7),
            (0x54, 6, 2),
            (0x64, 1, 8),
            (0x74, 16, 2),
            (0x94, 8, 2),
            (0xa4, 5, 6),
        ] {
            for by_x in [0, 8] {
                let rows = [(0x01, 0, 0, 3), (0x00, 0, 0, a), (code | by_x, 0, 0, 3), (0x16, 0, 0, 0)];
                assert_eq!(program(&rows).unwrap().run(&[], 0), Some(expected), "{code:#x} with {a}");
            }
        }
        let value = |rows: &[_]| program(rows).unwrap().run(&[0x45, 1, 2, 3, 4], 99);
        assert_eq!(value(&[(0x80, 0, 0, 0), (0x84, 0, 0, 0), (0x16, 0, 0, 0)]), Some(99u32.wrapping_neg()));
        assert_eq!(value(&[(0xb1, 0, 0, 0), (0x87, 0, 0, 0), (0x16, 0, 0, 0)]), Some(20));
        assert_eq!(value(&[(0x01, 0, 0, 1), (0x40, 0, 0, 0), (0x16, 0, 0, 0)]), Some(0x0102_0304));
        assert_eq!(
            value(&[(0x20, 0, 0, 1), (0x02, 0, 0, 15), (0x61, 0, 0, 15), (0x87, 0, 0, 0), (0x16, 0, 0, 0)]),
            Some(0x0102_0304)
        );
        assert_eq!(value(&[(0x20, 0, 0, 2), (0x16, 0, 0, 0)]), None, "a word across the end");
        assert_eq!(value(&[(0x01, 0, 0, 0), (0x3c, 0, 0, 0), (0x16, 0, 0, 0)]), None, "division by X of zero");
        assert_eq!(value(&[(0x01, 0, 0, u32::MAX), (0x50, 0, 0, 1), (0x16, 0, 0, 0)]), None, "a place beyond 32 bits");
        assert_eq!(value(&[(0x00, 0, 0, 1), (0x64, 0, 0, 32), (0x16, 0, 0, 0)]), Some(0), "all bits are shifted out");
    }

    #[test]
    fn what_is_not_sound_is_refused() {
        let ret = (0x06, 0, 0, 1);
        for (rows, why) in [
            (vec![], ProgramError::Empty),
            (vec![ret; MOST + 1], ProgramError::TooLong(MOST + 1)),
            (vec![(0x28, 0, 0, 12)], ProgramError::NoReturn),
            (vec![(0x15, 1, 0, 1), ret], ProgramError::Jump(0)),
            (vec![(0x15, 0, 255, 1), ret], ProgramError::Jump(0)),
            (vec![(0x05, 0, 0, 7), ret], ProgramError::Jump(0)),
            (vec![ret, (0x05, 0, 0, u32::MAX - 4), ret], ProgramError::Jump(1)),
            (vec![(0x02, 0, 0, 16), ret], ProgramError::Cell(0)),
            (vec![(0x34, 0, 0, 0), ret], ProgramError::Zero(0)),
            (vec![(0x94, 0, 0, 0), ret], ProgramError::Zero(0)),
            (vec![(0xffff, 0, 0, 0), ret], ProgramError::Unknown { at: 0, code: 0xffff }),
            (vec![(0x38, 0, 0, 0), ret], ProgramError::Unknown { at: 0, code: 0x38 }),
        ] {
            assert_eq!(program(&rows).unwrap_err(), why);
        }
    }

    #[test]
    fn a_loop_without_end_is_ended_and_does_not_match() {
        let endless = program(&[(0x05, 0, 0, u32::MAX), (0x06, 0, 0, 1)]).unwrap();
        assert!(!endless.matches(&[0; 60], 60));
    }

    #[test]
    fn any_sound_program_ends_without_a_panic_on_any_frame() {
        let mut seed = 7u64;
        let mut chance = move || {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (seed >> 33) as u32
        };
        let codes: Vec<u16> = (0..256).collect();
        let mut sound = 0;
        for _ in 0..20_000 {
            let count = 1 + chance() as usize % 12;
            let mut rows: Vec<(u16, u8, u8, u32)> = (0..count)
                .map(|_| {
                    let k = if chance() % 4 == 0 { chance() } else { chance() % 20 };
                    (codes[chance() as usize % 256], (chance() % 5) as u8, (chance() % 5) as u8, k)
                })
                .collect();
            rows.push((0x16, 0, 0, 0));
            if let Ok(program) = program(&rows) {
                sound += 1;
                program.matches(&[0x5a; 24], 24);
            }
        }
        assert!(sound > 100, "{sound} of the programs were sound");
    }
}
