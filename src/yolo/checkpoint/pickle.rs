//! Reads a pickle as data: every value becomes a node of an arena, and nothing is imported or called.
//!
//! A `GLOBAL` is a name, and `REDUCE`, `NEWOBJ` and `BUILD` make records of what Python would have called
//! with what. Nodes refer to each other by index, so shared and cyclic values cost no more than they do in the
//! file. Opcodes that `torch.save` never writes are refused.
//! Whoever walks the arena has to bound his steps himself, for a small file can hold a huge tree.

use std::collections::HashMap;

use thiserror::Error;

/// The largest pickle that is read; that of yolov5x6 has a third of a megabyte.
pub(super) const MAX_BYTES: u64 = 16 << 20;
const MAX_OPERATIONS: usize = 4_000_000;
const MAX_NODES: usize = 1_000_000;

/// Why a pickle is refused; `at` is the byte offset of the opcode.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum PickleError {
    #[error("the pickle ends within the opcode at byte {at}")]
    CutOff { at: usize },
    #[error("the pickle has opcode 0x{opcode:02x} at byte {at}, which torch never writes")]
    Opcode { opcode: u8, at: usize },
    #[error("the pickle's opcode at byte {at} needs {needs}")]
    Operand { at: usize, needs: &'static str },
    #[error("the pickle has more than {limit} {what}")]
    TooMuch { what: &'static str, limit: usize },
}

/// Index of a node in its pickle.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Id(u32);

#[derive(Debug)]
pub(super) enum Node {
    None,
    Bool(bool),
    Int(i64),
    /// An integer beyond 64 bits.
    Huge,
    Float(f64),
    Text(String),
    Bytes,
    List(Vec<Id>),
    Tuple(Vec<Id>),
    Set(Vec<Id>),
    Dict(Vec<(Id, Id)>),
    Global {
        module: String,
        name: String,
    },
    Persistent(Id),
    Object(Box<Object>),
}

/// What `REDUCE` or `NEWOBJ` would have made, with what was then done to it.
#[derive(Debug)]
pub(super) struct Object {
    pub class: Id,
    pub args: Id,
    /// By `REDUCE`: Python would call the class, or a function, with the arguments.
    pub called: bool,
    pub state: Option<Id>,
    items: Vec<Id>,
    entries: Vec<(Id, Id)>,
}

#[derive(Debug)]
pub(super) struct Pickle {
    nodes: Vec<Node>,
    pub root: Id,
}

impl Pickle {
    /// Reads a pickle of protocol 2 to 5.
    pub fn parse(bytes: &[u8]) -> Result<Self, PickleError> {
        if bytes.len() as u64 > MAX_BYTES {
            return Err(PickleError::TooMuch { what: "bytes", limit: MAX_BYTES as usize });
        }
        let mut machine = Machine {
            bytes,
            at: 0,
            opcode_at: 0,
            nodes: Vec::new(),
            stack: Vec::new(),
            marks: Vec::new(),
            memo: HashMap::new(),
        };
        let root = machine.run()?;
        Ok(Self { nodes: machine.nodes, root })
    }

    pub fn node(&self, id: Id) -> &Node {
        &self.nodes[id.0 as usize]
    }

    pub fn text(&self, id: Id) -> Option<&str> {
        match self.node(id) {
            Node::Text(text) => Some(text),
            _ => None,
        }
    }

    pub fn int(&self, id: Id) -> Option<i64> {
        match self.node(id) {
            Node::Int(value) => Some(*value),
            _ => None,
        }
    }

    /// The elements of a list, tuple or set.
    pub fn sequence(&self, id: Id) -> Option<&[Id]> {
        match self.node(id) {
            Node::List(items) | Node::Tuple(items) | Node::Set(items) => Some(items),
            _ => None,
        }
    }

    /// The entries of a dict or of one of its subclasses.
    pub fn entries(&self, id: Id) -> Option<&[(Id, Id)]> {
        match self.node(id) {
            Node::Dict(entries) => Some(entries),
            Node::Object(object) if object.state.is_none() || !object.entries.is_empty() => Some(&object.entries),
            _ => None,
        }
    }

    /// The value under a string key; as in Python, the last of several.
    pub fn get(&self, dict: Id, key: &str) -> Option<Id> {
        let mut entries = self.entries(dict)?.iter().rev();
        entries.find(|(k, _)| self.text(*k) == Some(key)).map(|(_, value)| *value)
    }

    /// Everything that the pickle makes on its way, whether its value holds it in the end or not.
    pub fn nodes(&self) -> &[Node] {
        &self.nodes
    }

    pub fn object(&self, id: Id) -> Option<&Object> {
        match self.node(id) {
            Node::Object(object) => Some(object),
            _ => None,
        }
    }

    /// Python module and name of an object's class.
    pub fn class_of(&self, object: &Object) -> Option<(&str, &str)> {
        match self.node(object.class) {
            Node::Global { module, name } => Some((module, name)),
            _ => None,
        }
    }
}

struct Machine<'a> {
    bytes: &'a [u8],
    at: usize,
    opcode_at: usize,
    nodes: Vec<Node>,
    stack: Vec<Id>,
    marks: Vec<usize>,
    memo: HashMap<u32, Id>,
}

impl<'a> Machine<'a> {
    fn run(&mut self) -> Result<Id, PickleError> {
        for _ in 0..MAX_OPERATIONS {
            self.opcode_at = self.at;
            let [opcode] = self.array()?;
            if opcode == b'.' {
                return self.pop();
            }
            self.step(opcode)?;
        }
        Err(PickleError::TooMuch { what: "operations", limit: MAX_OPERATIONS })
    }

    fn step(&mut self, opcode: u8) -> Result<(), PickleError> {
        match opcode {
            // Framing: PROTO, FRAME.
            0x80 => {
                let [_version] = self.array()?;
            }
            0x95 => {
                let length = u64::from_le_bytes(self.array()?);
                if length > (self.bytes.len() - self.at) as u64 {
                    return Err(self.cut_off());
                }
            }
            // Constants and numbers.
            b'N' => self.push(Node::None)?,
            0x88 => self.push(Node::Bool(true))?,
            0x89 => self.push(Node::Bool(false))?,
            b'K' => {
                let [value] = self.array()?;
                self.push(Node::Int(value.into()))?;
            }
            b'M' => {
                let value = u16::from_le_bytes(self.array()?);
                self.push(Node::Int(value.into()))?;
            }
            b'J' => {
                let value = i32::from_le_bytes(self.array()?);
                self.push(Node::Int(value.into()))?;
            }
            0x8a => {
                let [length] = self.array()?;
                self.long(length.into())?;
            }
            0x8b => {
                let length = self.length4()?;
                self.long(length)?;
            }
            b'G' => {
                let value = f64::from_be_bytes(self.array()?);
                self.push(Node::Float(value))?;
            }
            // Text: SHORT_BINUNICODE, BINUNICODE, BINUNICODE8 and Python 2's SHORT_BINSTRING, BINSTRING.
            0x8c | b'U' => {
                let [length] = self.array()?;
                self.string(length.into())?;
            }
            b'X' | b'T' => {
                let length = self.length4()?;
                self.string(length)?;
            }
            0x8d => {
                let length = self.length8()?;
                self.string(length)?;
            }
            // Bytes: SHORT_BINBYTES, BINBYTES, BINBYTES8, BYTEARRAY8.
            b'C' => {
                let [length] = self.array()?;
                self.blob(length.into())?;
            }
            b'B' => {
                let length = self.length4()?;
                self.blob(length)?;
            }
            0x8e | 0x96 => {
                let length = self.length8()?;
                self.blob(length)?;
            }
            // Containers.
            b')' => self.push(Node::Tuple(Vec::new()))?,
            b']' => self.push(Node::List(Vec::new()))?,
            b'}' => self.push(Node::Dict(Vec::new()))?,
            0x8f => self.push(Node::Set(Vec::new()))?,
            0x85..=0x87 => {
                let count = usize::from(opcode - 0x84);
                let start = self.stack.len().checked_sub(count);
                let start = start.filter(|&start| start >= self.floor());
                let start = start.ok_or_else(|| self.needs("more values than the stack has"))?;
                let items = self.stack.split_off(start);
                self.push(Node::Tuple(items))?;
            }
            b't' => {
                let items = self.pop_mark()?;
                self.push(Node::Tuple(items))?;
            }
            b'l' => {
                let items = self.pop_mark()?;
                self.push(Node::List(items))?;
            }
            0x91 => {
                let items = self.pop_mark()?;
                self.push(Node::Set(items))?;
            }
            b'd' => {
                let items = self.pop_mark()?;
                let entries = self.pairs(&items)?;
                self.push(Node::Dict(entries))?;
            }
            b'a' => {
                let item = self.pop()?;
                self.extend(&[item])?;
            }
            b'e' | 0x90 => {
                let items = self.pop_mark()?;
                self.extend(&items)?;
            }
            b's' => {
                let value = self.pop()?;
                let key = self.pop()?;
                self.set_items(&[(key, value)])?;
            }
            b'u' => {
                let items = self.pop_mark()?;
                let entries = self.pairs(&items)?;
                self.set_items(&entries)?;
            }
            // The stack: MARK, POP, POP_MARK, DUP.
            b'(' => self.marks.push(self.stack.len()),
            b'0' => {
                if self.stack.len() == self.floor() && self.marks.pop().is_some() {
                    return Ok(());
                }
                self.pop()?;
            }
            b'1' => {
                self.pop_mark()?;
            }
            b'2' => self.stack.push(self.top()?),
            // The memo: BINPUT, LONG_BINPUT, MEMOIZE, BINGET, LONG_BINGET.
            b'q' => {
                let [slot] = self.array()?;
                self.memo.insert(slot.into(), self.top()?);
            }
            b'r' => {
                let slot = u32::from_le_bytes(self.array()?);
                self.memo.insert(slot, self.top()?);
            }
            0x94 => {
                let slot = self.memo.len() as u32;
                self.memo.insert(slot, self.top()?);
            }
            b'h' => {
                let [slot] = self.array()?;
                self.recall(slot.into())?;
            }
            b'j' => {
                let slot = u32::from_le_bytes(self.array()?);
                self.recall(slot)?;
            }
            // Names and records: GLOBAL, STACK_GLOBAL, BINPERSID, REDUCE, NEWOBJ, NEWOBJ_EX, BUILD.
            b'c' => {
                let module = self.line()?;
                let name = self.line()?;
                self.push(Node::Global { module, name })?;
            }
            0x93 => {
                let name = self.pop()?;
                let module = self.pop()?;
                match (self.node(module), self.node(name)) {
                    (Node::Text(module), Node::Text(name)) => {
                        let (module, name) = (module.clone(), name.clone());
                        self.push(Node::Global { module, name })?;
                    }
                    _ => return Err(self.needs("two strings")),
                }
            }
            b'Q' => {
                let id = self.pop()?;
                self.push(Node::Persistent(id))?;
            }
            b'R' => self.make(true)?,
            0x81 => self.make(false)?,
            0x92 => {
                let _keywords = self.pop()?;
                self.make(false)?;
            }
            b'b' => {
                let state = self.pop()?;
                match self.top_mut()? {
                    Node::Object(object) => object.state = Some(state),
                    _ => return Err(self.needs("an object")),
                }
            }
            _ => {
                return Err(PickleError::Opcode { opcode, at: self.opcode_at });
            }
        }
        Ok(())
    }

    fn cut_off(&self) -> PickleError {
        PickleError::CutOff { at: self.opcode_at }
    }

    fn needs(&self, needs: &'static str) -> PickleError {
        PickleError::Operand { at: self.opcode_at, needs }
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], PickleError> {
        let array = self.bytes[self.at..].first_chunk().copied();
        let array = array.ok_or_else(|| self.cut_off())?;
        self.at += N;
        Ok(array)
    }

    fn length4(&mut self) -> Result<u64, PickleError> {
        Ok(u32::from_le_bytes(self.array()?).into())
    }

    fn length8(&mut self) -> Result<u64, PickleError> {
        Ok(u64::from_le_bytes(self.array()?))
    }

    fn take(&mut self, length: u64) -> Result<&'a [u8], PickleError> {
        let rest = &self.bytes[self.at..];
        let taken = usize::try_from(length).ok().and_then(|length| rest.get(..length));
        let taken = taken.ok_or_else(|| self.cut_off())?;
        self.at += taken.len();
        Ok(taken)
    }

    fn utf8(&mut self, length: u64) -> Result<String, PickleError> {
        let bytes = self.take(length)?.to_vec();
        String::from_utf8(bytes).map_err(|_| self.needs("UTF-8 text"))
    }

    fn line(&mut self) -> Result<String, PickleError> {
        let end = self.bytes[self.at..].iter().position(|&b| b == b'\n');
        let length = end.ok_or_else(|| self.cut_off())?;
        let line = self.utf8(length as u64)?;
        self.at += 1;
        Ok(line)
    }

    fn string(&mut self, length: u64) -> Result<(), PickleError> {
        let text = self.utf8(length)?;
        self.push(Node::Text(text))
    }

    fn blob(&mut self, length: u64) -> Result<(), PickleError> {
        self.take(length)?;
        self.push(Node::Bytes)
    }

    /// A two's complement integer of any length.
    fn long(&mut self, length: u64) -> Result<(), PickleError> {
        let digits = self.take(length)?;
        let negative = digits.last().is_some_and(|&byte| byte >= 0x80);
        let mut value = [if negative { 0xff } else { 0 }; 8];
        let node = match value.get_mut(..digits.len()) {
            Some(low) => {
                low.copy_from_slice(digits);
                Node::Int(i64::from_le_bytes(value))
            }
            None => Node::Huge,
        };
        self.push(node)
    }

    fn push(&mut self, node: Node) -> Result<(), PickleError> {
        if self.nodes.len() == MAX_NODES {
            return Err(PickleError::TooMuch { what: "values", limit: MAX_NODES });
        }
        self.stack.push(Id(self.nodes.len() as u32));
        self.nodes.push(node);
        Ok(())
    }

    /// The stack height that the newest mark protects.
    fn floor(&self) -> usize {
        self.marks.last().copied().unwrap_or(0)
    }

    fn pop(&mut self) -> Result<Id, PickleError> {
        let top = self.top()?;
        self.stack.pop();
        Ok(top)
    }

    fn top(&self) -> Result<Id, PickleError> {
        let above = self.stack.get(self.floor()..).unwrap_or_default();
        above.last().copied().ok_or_else(|| self.needs("a value"))
    }

    fn node(&self, id: Id) -> &Node {
        &self.nodes[id.0 as usize]
    }

    fn top_mut(&mut self) -> Result<&mut Node, PickleError> {
        let top = self.top()?;
        Ok(&mut self.nodes[top.0 as usize])
    }

    fn pop_mark(&mut self) -> Result<Vec<Id>, PickleError> {
        let mark = self.marks.pop().ok_or_else(|| self.needs("a mark"))?;
        Ok(self.stack.split_off(mark))
    }

    fn recall(&mut self, slot: u32) -> Result<(), PickleError> {
        let known = self.memo.get(&slot).copied();
        let known = known.ok_or_else(|| self.needs("a value memoised before"))?;
        self.stack.push(known);
        Ok(())
    }

    fn pairs(&self, items: &[Id]) -> Result<Vec<(Id, Id)>, PickleError> {
        let (pairs, rest) = items.as_chunks();
        if rest.is_empty() {
            Ok(pairs.iter().map(|&[key, value]| (key, value)).collect())
        } else {
            Err(self.needs("a value for every key"))
        }
    }

    fn extend(&mut self, items: &[Id]) -> Result<(), PickleError> {
        match self.top_mut()? {
            Node::List(list) | Node::Set(list) => list.extend_from_slice(items),
            Node::Object(object) => object.items.extend_from_slice(items),
            _ => return Err(self.needs("a list")),
        }
        Ok(())
    }

    fn set_items(&mut self, items: &[(Id, Id)]) -> Result<(), PickleError> {
        match self.top_mut()? {
            Node::Dict(entries) => entries.extend_from_slice(items),
            Node::Object(object) => object.entries.extend_from_slice(items),
            _ => return Err(self.needs("a dict")),
        }
        Ok(())
    }

    fn make(&mut self, called: bool) -> Result<(), PickleError> {
        let args = self.pop()?;
        let class = self.pop()?;
        if !matches!(self.node(args), Node::Tuple(_)) {
            return Err(self.needs("a tuple of arguments"));
        }
        let (items, entries) = (Vec::new(), Vec::new());
        self.push(Node::Object(Box::new(Object { class, args, called, state: None, items, entries })))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(bytes: &[u8]) -> Pickle {
        Pickle::parse(bytes).unwrap()
    }

    #[test]
    fn integers_of_every_width() {
        let pickle = parse(b"\x80\x02(K\xffM\x01\x02J\xfe\xff\xff\xff\x8a\x00\x8a\x02\xff\x00\x8a\x01\xff\x8a\x09\x00\x00\x00\x00\x00\x00\x00\x00\x01t.");
        let items = pickle.sequence(pickle.root).unwrap();
        let values: Vec<Option<i64>> = items.iter().map(|id| pickle.int(*id)).collect();
        assert_eq!(values, [Some(255), Some(513), Some(-2), Some(0), Some(255), Some(-1), None]);
    }

    #[test]
    fn containers_and_the_memo() {
        // {'a': [1, (2, 3)], 'b': the same list}, as protocol 4 frames and memoises it.
        let pickle = parse(
            b"\x80\x04\x95\x1a\x00\x00\x00\x00\x00\x00\x00}\x94(\x8c\x01a\x94]\x94(K\x01K\x02K\x03\x86\x94e\x8c\x01bh\x02u.",
        );
        let (a, b) = (pickle.get(pickle.root, "a").unwrap(), pickle.get(pickle.root, "b").unwrap());
        assert_eq!(a, b);
        let inner = pickle.sequence(pickle.sequence(a).unwrap()[1]).unwrap();
        assert_eq!(inner.iter().filter_map(|id| pickle.int(*id)).sum::<i64>(), 5);
        assert_eq!(pickle.get(pickle.root, "c"), None);
    }

    #[test]
    fn records_of_calls() {
        // OrderedDict(), then ['k'] = 1, then its state; the way a state_dict is pickled.
        let pickle = parse(b"\x80\x02ccollections\nOrderedDict\n)RX\x01\x00\x00\x00kK\x01s}X\x01\x00\x00\x00mNsb.");
        let object = pickle.object(pickle.root).unwrap();
        assert_eq!(pickle.class_of(object), Some(("collections", "OrderedDict")));
        assert_eq!(pickle.get(pickle.root, "k").and_then(|id| pickle.int(id)), Some(1));
        assert!(object.state.is_some());
        // STACK_GLOBAL and NEWOBJ_EX of protocol 4.
        let pickle = parse(b"\x80\x04\x8c\x01m\x8c\x01C\x93)}\x92.");
        assert_eq!(pickle.class_of(pickle.object(pickle.root).unwrap()), Some(("m", "C")));
    }

    #[test]
    fn the_last_of_equal_keys_counts() {
        let pickle = parse(b"\x80\x02}(X\x01\x00\x00\x00aK\x01X\x01\x00\x00\x00aK\x02u.");
        assert_eq!(pickle.get(pickle.root, "a").and_then(|id| pickle.int(id)), Some(2));
    }

    #[test]
    fn errors_say_where() {
        let error = |bytes: &[u8]| Pickle::parse(bytes).map(|_| ()).unwrap_err();
        assert_eq!(error(b"\x80\x02NM\x01"), PickleError::CutOff { at: 3 });
        assert_eq!(error(b"\x80\x02i"), PickleError::Opcode { opcode: b'i', at: 2 });
        // A mark keeps what is below it.
        assert_eq!(error(b"\x80\x02N(\x85."), PickleError::Operand { at: 4, needs: "more values than the stack has" });
        assert!(matches!(error(&vec![0; MAX_BYTES as usize + 1]), PickleError::TooMuch { what: "bytes", .. }));
        assert!(matches!(
            error(&[&b"]"[..], &[b'2'; 4_000_001]].concat()),
            PickleError::TooMuch { what: "operations", .. }
        ));
    }
}
