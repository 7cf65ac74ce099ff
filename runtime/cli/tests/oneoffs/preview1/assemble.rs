//! Core modules that call preview 1, made of a list of calls: one line a call, and what it gives is printed.
//!
//! A line is `FUNCTION ARGUMENTS… => SHOWN…`. Arguments: numbers; `$name`, a descriptor that an earlier line gave;
//! `'text'`, a pointer and a length; `w'text'`, one buffer to write from; `rN`, one buffer of N bytes to read into;
//! `bN`, such a buffer as a pointer and a length; `@`, where the result goes. Shown: `fd NAME` (and kept), `u32`, `u64`,
//! `stat`, `times`, `fdstat`, `prestat`, `text N` (of the buffer). A line `same A B` compares the inodes of two
//! descriptors; `poll EVENTS…` waits for the first of `cN` (a clock in N milliseconds), `rN` and `wN` (a descriptor that
//! can be read or written), and shows how many events there are and what the first is. Knows nothing of hosts.

use std::collections::BTreeMap;
use std::fmt::Write;

/// Where results, a buffer, the printed line and constant data are in the module's memory.
const RESULT: usize = 1_024;
const BUFFER: usize = 65_536;
const LINE: usize = 2_048;
const DATA: usize = 4_096;

/// Parameters of the functions: `i` of 32 bits, `l` of 64.
const FUNCTIONS: [(&str, &str); 38] = [
    ("fd_advise", "illi"),
    ("fd_allocate", "ill"),
    ("fd_close", "i"),
    ("fd_datasync", "i"),
    ("fd_fdstat_get", "ii"),
    ("fd_fdstat_set_flags", "ii"),
    ("fd_fdstat_set_rights", "ill"),
    ("fd_filestat_get", "ii"),
    ("fd_filestat_set_size", "il"),
    ("fd_filestat_set_times", "illi"),
    ("fd_pread", "iiili"),
    ("fd_prestat_dir_name", "iii"),
    ("fd_prestat_get", "ii"),
    ("fd_pwrite", "iiili"),
    ("fd_read", "iiii"),
    ("fd_readdir", "iiili"),
    ("fd_renumber", "ii"),
    ("fd_seek", "ilii"),
    ("fd_sync", "i"),
    ("fd_tell", "ii"),
    ("fd_write", "iiii"),
    ("path_create_directory", "iii"),
    ("path_filestat_get", "iiiii"),
    ("path_filestat_set_times", "iiiilli"),
    ("path_link", "iiiiiii"),
    ("path_open", "iiiiillii"),
    ("path_readlink", "iiiiii"),
    ("path_remove_directory", "iii"),
    ("path_rename", "iiiiii"),
    ("path_symlink", "iiiii"),
    ("path_unlink_file", "iii"),
    ("poll_oneoff", "iiii"),
    ("random_get", "ii"),
    ("sched_yield", ""),
    ("sock_shutdown", "ii"),
    ("environ_sizes_get", "ii"),
    ("args_sizes_get", "ii"),
    ("clock_res_get", "ii"),
];

/// The text of a module that makes these calls.
pub(crate) fn assemble(script: &str) -> String {
    let mut module = Module::default();
    for line in script
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty())
    {
        module.line(line);
    }
    module.text()
}

#[derive(Default)]
struct Module {
    code: String,
    data: Vec<u8>,
    descriptors: BTreeMap<String, ()>,
}

impl Module {
    fn line(&mut self, line: &str) {
        self.say(&format!("{line}:"));
        let words = words(line);
        if words[0] == "same" {
            self.same(&words[1], &words[2]);
        } else if words[0] == "poll" {
            self.poll(&words[1..]);
        } else {
            self.call(&words);
        }
        self.say("\n");
    }

    /// Prints a constant text.
    fn say(&mut self, text: &str) {
        let (at, len) = (self.constant(text.as_bytes()), text.len());
        let _ = writeln!(self.code, "(call $say (i32.const {at}) (i32.const {len}))");
    }

    fn constant(&mut self, bytes: &[u8]) -> usize {
        self.data.resize(self.data.len().next_multiple_of(8), 0);
        let at = DATA + self.data.len();
        self.data.extend_from_slice(bytes);
        at
    }

    /// A list of one buffer.
    fn buffer(&mut self, at: usize, len: usize) -> usize {
        let pair = [at as u32, len as u32].map(u32::to_le_bytes).concat();
        self.constant(&pair)
    }

    fn call(&mut self, words: &[String]) {
        let (name, shown) = (&words[0], words.iter().position(|word| word == "=>"));
        let shown = shown.unwrap_or(words.len());
        let mut args: Vec<String> = Vec::new();
        for word in &words[1..shown] {
            self.argument(word, &mut args);
        }
        let types = FUNCTIONS.iter().find(|(known, _)| known == name);
        let (_, types) = types.unwrap_or_else(|| panic!("no function {name}"));
        assert_eq!(args.len(), types.len(), "{words:?}");
        let args = args.iter().zip(types.chars()).map(|(arg, of)| match of {
            _ if arg.starts_with('(') => arg.clone(),
            'l' => format!("(i64.const {arg})"),
            _ => format!("(i32.const {arg})"),
        });
        let args: Vec<String> = args.collect();
        let _ = writeln!(
            self.code,
            "(call $hex (i64.extend_i32_u (call ${name} {})))",
            args.join(" ")
        );
        let mut shown = words.iter().skip(shown + 1);
        while let Some(what) = shown.next() {
            self.show(what, &mut shown);
        }
    }

    fn argument(&mut self, word: &str, args: &mut Vec<String>) {
        let quoted = |text: &str| text.trim_matches('\'').to_owned();
        if word == "@" {
            args.push(RESULT.to_string());
        } else if let Some(name) = word.strip_prefix('$') {
            assert!(self.descriptors.contains_key(name), "{word}");
            args.push(format!("(global.get ${name})"));
        } else if word.starts_with('\'') {
            let text = quoted(word);
            args.extend([self.constant(text.as_bytes()), text.len()].map(|n| n.to_string()));
        } else if word.starts_with("w'") {
            let text = quoted(&word[1..]);
            let at = self.constant(text.as_bytes());
            args.extend([self.buffer(at, text.len()), 1].map(|n| n.to_string()));
        } else if let Some(len) = word.strip_prefix('r') {
            let len = len.parse().unwrap();
            args.extend([self.buffer(BUFFER, len), 1].map(|n| n.to_string()));
        } else if let Some(len) = word.strip_prefix('b') {
            args.extend([BUFFER.to_string(), len.to_owned()]);
        } else {
            args.push(word.to_owned());
        }
    }

    fn show<'a>(&mut self, what: &str, more: &mut impl Iterator<Item = &'a String>) {
        let load =
            |how: &str, at: usize| format!("(call $hex ({how} (i32.const {})))\n", RESULT + at);
        let (byte, half, word, long) = ("i64.load8_u", "i64.load16_u", "i64.load32_u", "i64.load");
        let code = match what {
            "fd" => {
                let name = more.next().unwrap();
                self.descriptors.insert(name.clone(), ());
                let set = format!("(global.set ${name} (i32.load (i32.const {RESULT})))\n");
                set + &load(word, 0)
            }
            "u32" => load(word, 0),
            "u64" => load(long, 0),
            "stat" => load(byte, 16) + &load(long, 24) + &load(long, 32),
            "times" => load(long, 40) + &load(long, 48),
            "fdstat" => load(byte, 0) + &load(half, 2) + &load(long, 8) + &load(long, 16),
            "prestat" => load(byte, 0) + &load(word, 4),
            "text" => {
                let len = more.next().unwrap();
                self.say(" ");
                format!("(call $say (i32.const {BUFFER}) (i32.const {len}))\n")
            }
            other => panic!("cannot show {other}"),
        };
        self.code += &code;
    }

    fn poll(&mut self, events: &[String]) {
        let mut bytes = Vec::new();
        for (index, event) in events.iter().enumerate() {
            let (kind, number) = event.split_at(1);
            let number: u64 = number.parse().unwrap();
            let fields = match kind {
                // The monotonic clock, nanoseconds, no precision, no flags.
                "c" => [0, 1, number * 1_000_000],
                "r" => [1, number, 0],
                _ => [2, number, 0],
            };
            for field in [index as u64 + 1, fields[0], fields[1], fields[2], 0, 0] {
                bytes.extend(field.to_le_bytes());
            }
        }
        let (at, len) = (self.constant(&bytes), events.len());
        let _ = writeln!(
            self.code,
            "(call $hex (i64.extend_i32_u (call $poll_oneoff (i32.const {at}) (i32.const {BUFFER}) \
             (i32.const {len}) (i32.const {RESULT}))))\n\
             (call $hex (i64.load32_u (i32.const {RESULT})))"
        );
        for (how, offset) in [("load", 0), ("load16_u", 8), ("load8_u", 10), ("load", 16)] {
            let at = BUFFER + offset;
            let _ = writeln!(self.code, "(call $hex (i64.{how} (i32.const {at})))");
        }
    }

    fn same(&mut self, one: &str, other: &str) {
        for name in [one, other] {
            let _ = writeln!(
                self.code,
                "(call $hex (i64.extend_i32_u (call $fd_filestat_get (global.get {name}) (i32.const {RESULT}))))\n\
                 (i64.load (i32.const {}))",
                RESULT + 8
            );
        }
        self.code += "(call $hex (i64.extend_i32_u (i64.eq)))\n";
    }

    fn text(&self) -> String {
        let mut text = "(module\n".to_owned();
        for (name, types) in FUNCTIONS {
            let types: String = types
                .chars()
                .map(|of| if of == 'l' { " i64" } else { " i32" })
                .collect();
            let _ = writeln!(
                text,
                "(import \"wasi_snapshot_preview1\" \"{name}\" (func ${name} (param{types}) (result i32)))"
            );
        }
        text += "(memory (export \"memory\") 4)\n";
        for name in self.descriptors.keys() {
            let _ = writeln!(text, "(global ${name} (mut i32) (i32.const -1))");
        }
        let bytes: String = self
            .data
            .iter()
            .map(|byte| format!("\\{byte:02x}"))
            .collect();
        let _ = writeln!(text, "(data (i32.const {DATA}) \"{bytes}\")");
        let _ = writeln!(
            text,
            "{PRINTING}\n(func (export \"_start\")\n{}))",
            self.code
        );
        text.replace("LINE", &LINE.to_string())
    }
}

/// Splits at spaces that are not in quotes.
fn words(line: &str) -> Vec<String> {
    let (mut words, mut word, mut quoted) = (Vec::new(), String::new(), false);
    for letter in line.chars() {
        match letter {
            ' ' if !quoted => words.extend((!word.is_empty()).then(|| std::mem::take(&mut word))),
            _ => {
                quoted ^= letter == '\'';
                word.push(letter);
            }
        }
    }
    words.extend((!word.is_empty()).then_some(word));
    words
}

/// Functions that print a text, and a number in hexadecimal.
const PRINTING: &str = r#"
(func $say (param $at i32) (param $len i32)
  (i32.store (i32.const LINE) (local.get $at))
  (i32.store offset=4 (i32.const LINE) (local.get $len))
  (drop (call $fd_write (i32.const 1) (i32.const LINE) (i32.const 1) (i32.const 2064))))
(func $hex (param $n i64) (local $at i32) (local $digit i32)
  (local.set $at (i32.const 2100))
  (loop $next
    (local.set $at (i32.sub (local.get $at) (i32.const 1)))
    (local.set $digit (i32.wrap_i64 (i64.and (local.get $n) (i64.const 15))))
    (i32.store8 (local.get $at) (i32.add (local.get $digit)
      (select (i32.const 48) (i32.const 87) (i32.lt_u (local.get $digit) (i32.const 10)))))
    (local.set $n (i64.shr_u (local.get $n) (i64.const 4)))
    (br_if $next (i64.ne (local.get $n) (i64.const 0))))
  (local.set $at (i32.sub (local.get $at) (i32.const 1)))
  (i32.store8 (local.get $at) (i32.const 32))
  (call $say (local.get $at) (i32.sub (i32.const 2100) (local.get $at))))
"#;
