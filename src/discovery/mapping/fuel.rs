//! What one jq evaluation may use: steps, memory and stack.
//!
//! jq is a whole programming language: `def f: f; f` never ends, and `reduce range(40) as $i ("x"; . + .)` fills any
//! memory. jaq has no budget of its own, but it asks [`step`] before each term (see `jq`), and every value it builds is
//! ours (see `jq_value`) and is paid for with [`charge`]. Where the budget is used up the evaluation is unwound to
//! [`run`]; this is not a panic, so no hook runs and nothing is printed, but it needs a build that unwinds (the default;
//! not `panic = "abort"`). Counting steps instead of seconds makes the
//! outcome the same on every machine.

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::LazyLock;

use rayon::{ThreadPool, ThreadPoolBuilder};

/// The stack of the threads on which expressions are compiled and run, in bytes. Only what is used takes memory.
const STACK: usize = 128 << 20;
/// How much of it an evaluation may use; the rest is for what is called at its deepest point.
const USABLE_STACK: usize = 40 << 20;
/// How deeply a value may be nested.
pub(super) const DEPTH: u16 = 1000;

thread_local! {
    static LEFT: Cell<u64> = const { Cell::new(0) };
    static FLOOR: Cell<usize> = const { Cell::new(0) };
    static ROOMY: Cell<bool> = const { Cell::new(false) };
}

/// Why an evaluation was ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Limit {
    /// Too many steps or too large a value.
    Budget,
    /// Too deep a recursion or a value.
    Depth,
}

impl Limit {
    fn message(self) -> &'static str {
        match self {
            Limit::Budget => "the expression takes too long or builds too large a value; it was stopped",
            Limit::Depth => "the expression or its value is nested too deeply; it was stopped",
        }
    }
}

/// Pays for one step, and sees that there is stack left.
pub(super) fn step() {
    let here = 0_u8;
    if std::ptr::from_ref(&here).addr() < FLOOR.get() {
        stop(Limit::Depth);
    }
    charge(1);
}

/// Pays for what is about to be built or looked through: one unit a value, one for eight bytes of text.
pub(super) fn charge(units: u64) {
    match LEFT.get().checked_sub(units) {
        Some(left) => LEFT.set(left),
        None => stop(Limit::Budget),
    }
}

/// Pays for text.
pub(super) fn charge_text(bytes: usize) {
    charge(1 + bytes as u64 / 8);
}

/// Ends the evaluation.
pub(super) fn stop(limit: Limit) -> ! {
    resume_unwind(Box::new(limit))
}

/// Runs `evaluation` with a budget. It must be on a roomy thread.
pub(super) fn run<T>(budget: u64, evaluation: impl FnOnce() -> Result<T, String>) -> Result<T, String> {
    let here = 0_u8;
    LEFT.set(budget);
    FLOOR.set(std::ptr::from_ref(&here).addr().saturating_sub(USABLE_STACK));
    let outcome = catch_unwind(AssertUnwindSafe(evaluation));
    LEFT.set(0);
    match outcome {
        Ok(result) => result,
        Err(cause) => Err(cause.downcast_ref::<Limit>().map_or("jq failed on this value", |limit| limit.message()).to_owned()),
    }
}

/// The threads with much stack, one a core, on which all mapping is done.
static POOL: LazyLock<Option<ThreadPool>> =
    LazyLock::new(|| ThreadPoolBuilder::new().stack_size(STACK).thread_name(|_| "mapping".to_owned()).start_handler(|_| ROOMY.set(true)).build().ok());

/// Does `work` on a thread with much stack; rayon's parallel iterators inside it use these threads too.
pub(in crate::discovery) fn roomy<T: Send>(work: impl FnOnce() -> T + Send) -> Result<T, String> {
    if ROOMY.get() {
        return Ok(work());
    }
    let pool = POOL.as_ref().ok_or("the system gives no threads for reading facts; try again with fewer programs running")?;
    Ok(pool.install(work))
}
