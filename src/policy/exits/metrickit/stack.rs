//! MetricKit's stacks as the core writes them.

use std::fmt::Write;

use super::json::Value;
use crate::model::limits::{
    MAX_CRASH_FRAMES, MAX_MODULE_CHARS, MAX_OTHER_FRAMES, MAX_OTHER_THREADS, OTHER_THREADS_CHARS,
};

/// The stack of the thread that a diagnostic is about, and below it the other threads if they are
/// wanted. Empty when there is none.
pub(super) fn stack(tree: Value<'_>, has_others: bool) -> String {
    let is_flat = tree.get("callStackPerThread").is_none_or(Value::is_true);
    let threads: Vec<Value<'_>> = tree.get("callStacks").into_iter().flat_map(Value::items).collect();
    let is_attributed = |thread: &&Value<'_>| thread.get("threadAttributed").is_some_and(Value::is_true);
    let attributed = threads.iter().position(|thread| is_attributed(&thread));
    let mut text = String::new();
    let Some(first) = threads.get(attributed.unwrap_or(0)) else { return text };
    write_frames(&mut text, *first, is_flat, MAX_CRASH_FRAMES);
    if !has_others {
        return text;
    }
    let others = threads.iter().enumerate().filter(|(number, _)| *number != attributed.unwrap_or(0));
    for (count, (number, thread)) in others.enumerate() {
        if count >= MAX_OTHER_THREADS || text.len() >= OTHER_THREADS_CHARS {
            let _ = write!(text, "\n\n… {} more threads", threads.len() - 1 - count);
            break;
        }
        let _ = write!(text, "\n\nThread {number}:\n");
        write_frames(&mut text, *thread, is_flat, MAX_OTHER_FRAMES);
    }
    text
}

/// Writes the frames of a thread, the innermost call first.
///
/// MetricKit nests the caller of a frame in its `subFrames`. Where samples of several stacks are
/// merged, a frame has several of them: the one with the most samples is followed.
fn write_frames(text: &mut String, thread: Value<'_>, is_flat: bool, most: usize) {
    let roots = frames(thread.get("callStackRootFrames"));
    let is_nested =
        roots.iter().any(|frame| frame.get("subFrames").is_some_and(|frames| frames.items().next().is_some()));
    if is_flat && !is_nested {
        roots.into_iter().take(most).enumerate().for_each(|(number, frame)| write_frame(text, number, frame));
        return;
    }
    let path = std::iter::successors(heaviest(&roots), caller);
    path.take(most).enumerate().for_each(|(number, frame)| write_frame(text, number, frame));
}

fn caller<'j>(frame: &Value<'j>) -> Option<Value<'j>> {
    heaviest(&frames(frame.get("subFrames")))
}

fn frames(list: Option<Value<'_>>) -> Vec<Value<'_>> {
    list.into_iter().flat_map(Value::items).filter(|frame| frame.is_map()).collect()
}

/// The first of those with the most samples.
fn heaviest<'j>(frames: &[Value<'j>]) -> Option<Value<'j>> {
    let samples = |frame: &Value<'_>| frame.get("sampleCount").and_then(Value::number::<u64>).unwrap_or(0);
    // Of equals, `max_by_key` takes the last.
    frames.iter().rev().max_by_key(|frame| samples(frame)).copied()
}

fn write_frame(text: &mut String, number: usize, frame: Value<'_>) {
    let number_of = |key| frame.get(key).and_then(Value::number::<u64>);
    let text_of = |key| frame.get(key).and_then(Value::text).unwrap_or_default();
    // A caller's address is where the call returns to. One less lies inside the call.
    let back = u64::from(number > 0);
    if number > 0 {
        text.push('\n');
    }
    let Some(offset) = number_of("offsetIntoBinaryTextSegment") else {
        let pc = number_of("address").unwrap_or(0).saturating_sub(back);
        let _ = write!(text, "#{number:02} pc {pc:016x}  <unknown> [metrickit]");
        return;
    };
    let _ = write!(text, "#{number:02} pc {:016x}  ", offset.saturating_sub(back));
    let name = text_of("binaryName");
    let start = text.len();
    // What a line's reader takes for the end of the name must not be in it, nor the end of a line.
    text.extend(name.trim().chars().take(MAX_MODULE_CHARS).map(|char| match char {
        '(' | ')' | '[' | ']' | '<' | '>' => '_',
        char if char.is_control() || char.is_whitespace() && char != ' ' => '_',
        char => char,
    }));
    if text.len() == start {
        text.push_str("<unknown>");
    }
    let uuid: String =
        text_of("binaryUUID").chars().filter(|char| *char != '-').map(|c| c.to_ascii_lowercase()).collect();
    let is_uuid = uuid.len() == 32 && uuid.bytes().all(|byte| byte.is_ascii_hexdigit());
    let _ = match is_uuid {
        true => write!(text, " (BuildId: {uuid}) [metrickit]"),
        false => write!(text, " (no BuildId) [metrickit]"),
    };
}
