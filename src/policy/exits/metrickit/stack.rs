//! MetricKit's stacks as the core writes them.

use std::fmt::Write;

use super::json::Value;
use crate::model::limits::{
    MAX_CRASH_FRAMES, MAX_MODULE_CHARS, MAX_OTHER_FRAMES, MAX_OTHER_THREADS, OTHER_THREADS_CHARS,
};
use crate::model::names::words::THREAD_STARTERS;

/// The stack of the thread that a diagnostic is about, and of a crash the other threads below it.
/// Empty when there is none.
pub(super) fn stack(tree: Value<'_>, is_crash: bool) -> String {
    let is_flat = tree.get("callStackPerThread").is_none_or(Value::is_true);
    let threads: Vec<Value<'_>> = tree.get("callStacks").into_iter().flat_map(Value::items).collect();
    let is_attributed = |thread: &&Value<'_>| thread.get("threadAttributed").is_some_and(Value::is_true);
    let attributed = threads.iter().position(|thread| is_attributed(&thread));
    let mut text = String::new();
    let Some(first) = threads.get(attributed.unwrap_or(0)) else { return text };
    write_frames(&mut text, *first, is_flat, is_crash, MAX_CRASH_FRAMES);
    if !is_crash {
        return text;
    }
    let others = threads.iter().enumerate().filter(|(number, _)| *number != attributed.unwrap_or(0));
    for (count, (number, thread)) in others.enumerate() {
        if count >= MAX_OTHER_THREADS || text.len() >= OTHER_THREADS_CHARS {
            let _ = write!(text, "\n\n… {} more threads", threads.len() - 1 - count);
            break;
        }
        let _ = write!(text, "\n\nThread {number}:\n");
        write_frames(&mut text, *thread, is_flat, is_crash, MAX_OTHER_FRAMES);
    }
    text
}

/// Writes the frames of a thread, the innermost call first.
///
/// In the stacks of what a process lives through, MetricKit begins with the outermost call, and a
/// frame's `subFrames` are what it has called: samples of several stacks are merged, and the
/// frame with the most samples is followed. A crash has been seen both ways round. The end that the
/// system starts threads with is the outer one.
fn write_frames(text: &mut String, thread: Value<'_>, is_flat: bool, is_crash: bool, most: usize) {
    let roots = frames(thread.get("callStackRootFrames"));
    let is_nested =
        roots.iter().any(|frame| frame.get("subFrames").is_some_and(|frames| frames.items().next().is_some()));
    if is_flat && !is_nested {
        roots.into_iter().take(most).enumerate().for_each(|(number, frame)| write_frame(text, number, frame));
        return;
    }
    let mut path: Vec<Value<'_>> = std::iter::successors(heaviest(&roots), inside).collect();
    let [is_root_outer, is_leaf_outer] = [path.first(), path.last()].map(|frame| frame.is_some_and(starts_threads));
    if !is_crash || (is_root_outer && !is_leaf_outer) {
        path.reverse();
    }
    path.into_iter().take(most).enumerate().for_each(|(number, frame)| write_frame(text, number, frame));
}

/// Whether a frame is of the libraries in which a program and its threads begin.
fn starts_threads(frame: &Value<'_>) -> bool {
    let name = frame.get("binaryName").and_then(Value::text).unwrap_or_default();
    THREAD_STARTERS.contains(&name.trim())
}

/// The frame that is nested in another, the one with the most samples.
fn inside<'j>(frame: &Value<'j>) -> Option<Value<'j>> {
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
