//! The text of a traced module's code: a small part of Python, read into methods and never run.
//!
//! A trace has neither branches nor loops, so a method is a list of assignments with one `return` at its end.

use std::collections::HashMap;

/// Bounds on what is parsed; yolov5x6 has 1,200 files and half a megabyte.
pub(super) const MAX_TEXT: usize = 8 << 20;
const MAX_NESTING: usize = 32;

/// A method by "class.method".
pub(super) type Methods = HashMap<String, Method>;

#[derive(Debug, PartialEq)]
pub(super) struct Method {
    /// `self` first.
    pub parameters: Vec<String>,
    pub body: Vec<Statement>,
}

#[derive(Debug, PartialEq)]
pub(super) enum Statement {
    /// Several targets take a list or tuple apart; none only evaluates.
    Assign {
        targets: Vec<String>,
        value: Expr,
    },
    Return(Expr),
}

#[derive(Debug, PartialEq)]
pub(super) enum Expr {
    None,
    Bool(bool),
    Int(i64),
    Float(f64),
    Text(String),
    Name(String),
    Attribute(Box<Expr>, String),
    /// A list or a tuple.
    List(Vec<Expr>),
    /// Positional arguments, and those by name.
    Call(Box<Expr>, Vec<Expr>, Vec<(String, Expr)>),
    /// `List[int]`, `x[0]`: nothing that a layer needs.
    Index,
}

/// Adds the methods of one file. An error says what was not understood.
pub(super) fn parse(text: &str, methods: &mut Methods) -> Result<(), String> {
    let mut class = None;
    let mut method: Option<(String, Method)> = None;
    let mut finish = |method: &mut Option<(String, Method)>| {
        if let Some((name, method)) = method.take() {
            methods.insert(name, method);
        }
    };
    for line in logical_lines(text)? {
        let mut cursor = Cursor { tokens: &line.tokens, at: 0 };
        match (line.indent, line.tokens.first()) {
            (0, Some(Token::Name(word))) if word == "class" => {
                finish(&mut method);
                cursor.at = 1;
                class = Some(cursor.name()?);
            }
            (_, Some(Token::Name(word))) if word == "def" && class.is_some() => {
                finish(&mut method);
                cursor.at = 1;
                let name = format!("{}.{}", class.as_deref().unwrap_or_default(), cursor.name()?);
                method = Some((name, Method { parameters: cursor.parameters()?, body: Vec::new() }));
            }
            _ => {
                // What a class says before its first method is about its attributes, which the pickle holds.
                if let Some((_, method)) = &mut method {
                    method.body.push(cursor.statement()?);
                }
            }
        }
    }
    finish(&mut method);
    Ok(())
}

#[derive(Clone, Debug, PartialEq)]
enum Token {
    Name(String),
    Int(i64),
    Float(f64),
    Text(String),
    Sign(char),
    Arrow,
}

struct Line {
    indent: usize,
    tokens: Vec<Token>,
}

/// Splits a text into lines, where one goes on while a bracket is open.
fn logical_lines(text: &str) -> Result<Vec<Line>, String> {
    let mut lines = Vec::new();
    let mut line = Line { indent: 0, tokens: Vec::new() };
    let mut open = 0_usize;
    for physical in text.lines() {
        if open == 0 {
            line.indent = physical.len() - physical.trim_start_matches(' ').len();
        }
        open = tokens(physical, &mut line.tokens, open)?;
        if open == 0 && !line.tokens.is_empty() {
            lines.push(std::mem::replace(&mut line, Line { indent: 0, tokens: Vec::new() }));
        }
    }
    if open == 0 { Ok(lines) } else { Err("a bracket that is not closed".to_owned()) }
}

/// Appends the tokens of a physical line; returns how many brackets are open after it.
fn tokens(text: &str, tokens: &mut Vec<Token>, mut open: usize) -> Result<usize, String> {
    let mut rest = text.trim_start();
    while let Some(first) = rest.chars().next() {
        let length_while = |keep: &dyn Fn(char) -> bool| rest.find(|c: char| !keep(c)).unwrap_or(rest.len());
        let length = match first {
            '#' => break,
            'a'..='z' | 'A'..='Z' | '_' => {
                let length = length_while(&|c| c.is_ascii_alphanumeric() || c == '_');
                tokens.push(Token::Name(rest[..length].to_owned()));
                length
            }
            '0'..='9' => {
                let mut length = length_while(&|c| c.is_ascii_alphanumeric() || c == '.');
                // The sign of an exponent.
                if rest[..length].ends_with(['e', 'E']) && rest[length..].starts_with(['+', '-']) {
                    let digits = &rest[length + 1..];
                    length += 1 + digits.find(|c: char| !c.is_ascii_digit()).unwrap_or(digits.len());
                }
                let number = &rest[..length];
                let whole = number.parse().ok().map(Token::Int);
                let token = whole.or_else(|| number.parse().ok().map(Token::Float));
                tokens.push(token.ok_or_else(|| format!("the number '{number:.40}'"))?);
                length
            }
            '"' | '\'' => {
                let end = rest[1..].find(first).ok_or("a string that is not closed")?;
                tokens.push(Token::Text(rest[1..=end].to_owned()));
                end + 2
            }
            '-' if rest.starts_with("->") => {
                tokens.push(Token::Arrow);
                2
            }
            '(' | '[' => {
                open += 1;
                tokens.push(Token::Sign(first));
                1
            }
            ')' | ']' => {
                open = open.checked_sub(1).ok_or("a bracket that was not opened")?;
                tokens.push(Token::Sign(first));
                1
            }
            '.' | ',' | ':' | '=' | '-' => {
                tokens.push(Token::Sign(first));
                1
            }
            other => return Err(format!("the character {other:?}")),
        };
        rest = rest[length..].trim_start();
    }
    Ok(open)
}

struct Cursor<'a> {
    tokens: &'a [Token],
    at: usize,
}

impl Cursor<'_> {
    fn peek(&self) -> Option<&Token> {
        self.tokens.get(self.at)
    }

    fn is(&self, sign: char) -> bool {
        self.peek() == Some(&Token::Sign(sign))
    }

    fn eat(&mut self, sign: char) -> bool {
        let eats = self.is(sign);
        self.at += usize::from(eats);
        eats
    }

    fn expect(&mut self, sign: char) -> Result<(), String> {
        if self.eat(sign) { Ok(()) } else { Err(format!("something else where '{sign}' was expected")) }
    }

    fn name(&mut self) -> Result<String, String> {
        match self.peek() {
            Some(Token::Name(name)) => {
                let name = name.clone();
                self.at += 1;
                Ok(name)
            }
            _ => Err("something else where a name was expected".to_owned()),
        }
    }

    /// `(self: T, x: Tensor) -> Tensor:`
    fn parameters(&mut self) -> Result<Vec<String>, String> {
        self.expect('(')?;
        let mut names = Vec::new();
        while !self.eat(')') {
            names.push(self.name()?);
            if self.eat(':') {
                self.expression(0)?;
            }
            if !self.eat(',') && !self.is(')') {
                return Err("a parameter that is more than a name and a type".to_owned());
            }
        }
        Ok(names)
    }

    fn statement(&mut self) -> Result<Statement, String> {
        if let Some(Token::Name(word)) = self.peek() {
            if ["if", "elif", "else", "while", "for", "with", "try", "raise", "assert"].contains(&word.as_str()) {
                return Err(format!("'{word}', which no trace has"));
            }
            if word == "return" {
                self.at += 1;
                return Ok(Statement::Return(self.expression(0)?));
            }
        }
        let is_target = |expr: &Expr| match expr {
            Expr::Name(name) => Some(vec![name.clone()]),
            _ => None,
        };
        let first = self.expression(0)?;
        let mut targets = is_target(&first);
        if self.is(',') {
            let mut names = targets.ok_or("an assignment to more than names")?;
            while self.eat(',') && !self.is('=') {
                names.push(self.name()?);
            }
            targets = Some(names);
        } else if self.eat(':') {
            self.expression(0)?;
        }
        let statement = if self.eat('=') {
            let targets = targets.ok_or("an assignment to more than names")?;
            Statement::Assign { targets, value: self.expression(0)? }
        } else {
            Statement::Assign { targets: Vec::new(), value: first }
        };
        if self.at == self.tokens.len() { Ok(statement) } else { Err("a line that goes on".to_owned()) }
    }

    fn expression(&mut self, depth: usize) -> Result<Expr, String> {
        if depth > MAX_NESTING {
            return Err("an expression that is nested too deep".to_owned());
        }
        let token = self.peek().cloned().ok_or("a line that ends early")?;
        self.at += 1;
        let mut expr = match token {
            Token::Int(value) => Expr::Int(value),
            Token::Float(value) => Expr::Float(value),
            Token::Text(text) => Expr::Text(text),
            Token::Name(name) => match name.as_str() {
                "None" => Expr::None,
                "True" => Expr::Bool(true),
                "False" => Expr::Bool(false),
                _ => Expr::Name(name),
            },
            Token::Sign('-') => match self.expression(depth + 1)? {
                Expr::Int(value) => Expr::Int(value.wrapping_neg()),
                Expr::Float(value) => Expr::Float(-value),
                _ => return Err("a '-' before something that is no number".to_owned()),
            },
            Token::Sign('[') => Expr::List(self.items(']', depth)?),
            Token::Sign('(') => {
                let first = self.expression(depth + 1)?;
                if self.eat(')') {
                    first
                } else {
                    self.expect(',')?;
                    let mut items = vec![first];
                    items.extend(self.items(')', depth)?);
                    Expr::List(items)
                }
            }
            _ => return Err("a sign where a value was expected".to_owned()),
        };
        loop {
            if self.eat('.') {
                expr = Expr::Attribute(Box::new(expr), self.name()?);
            } else if self.eat('(') {
                let (arguments, named) = self.arguments(depth)?;
                expr = Expr::Call(Box::new(expr), arguments, named);
            } else if self.eat('[') {
                self.items(']', depth)?;
                expr = Expr::Index;
            } else {
                return Ok(expr);
            }
        }
    }

    fn items(&mut self, end: char, depth: usize) -> Result<Vec<Expr>, String> {
        let mut items = Vec::new();
        while !self.eat(end) {
            items.push(self.expression(depth + 1)?);
            if !self.eat(',') && !self.is(end) {
                return Err("a list without commas".to_owned());
            }
        }
        Ok(items)
    }

    #[expect(clippy::type_complexity, reason = "both kinds of arguments")]
    fn arguments(&mut self, depth: usize) -> Result<(Vec<Expr>, Vec<(String, Expr)>), String> {
        let (mut arguments, mut named) = (Vec::new(), Vec::new());
        while !self.eat(')') {
            let by_name = self.tokens.get(self.at + 1) == Some(&Token::Sign('='));
            if by_name {
                let name = self.name()?;
                self.at += 1;
                named.push((name, self.expression(depth + 1)?));
            } else {
                arguments.push(self.expression(depth + 1)?);
            }
            if !self.eat(',') && !self.is(')') {
                return Err("arguments without commas".to_owned());
            }
        }
        Ok((arguments, named))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn methods(text: &str) -> Result<Methods, String> {
        let mut methods = Methods::new();
        parse(text, &mut methods).map(|()| methods)
    }

    #[test]
    fn a_method_is_its_parameters_and_statements() {
        let text = "class Conv(Module):\n  __parameters__ = []\n  act : __torch__.SiLU\n  def forward(self: __torch__.Conv,\n    \
                    x: Tensor) -> Tuple[Tensor, Tensor]:\n    conv = self.conv\n    a, b, = torch.split(x, [2, -1], alpha=1e-05)\n    \
                    return (getattr(conv, \"0\")).forward(a, )\n";
        let methods = methods(text).unwrap();
        let method = &methods["Conv.forward"];
        assert_eq!(method.parameters, ["self", "x"]);
        let name = |name: &str| Box::new(Expr::Name(name.to_owned()));
        assert_eq!(
            method.body,
            [
                Statement::Assign {
                    targets: vec!["conv".to_owned()],
                    value: Expr::Attribute(name("self"), "conv".to_owned())
                },
                Statement::Assign {
                    targets: vec!["a".to_owned(), "b".to_owned()],
                    value: Expr::Call(
                        Box::new(Expr::Attribute(name("torch"), "split".to_owned())),
                        vec![*name("x"), Expr::List(vec![Expr::Int(2), Expr::Int(-1)])],
                        vec![("alpha".to_owned(), Expr::Float(1e-5))]
                    ),
                },
                Statement::Return(Expr::Call(
                    Box::new(Expr::Attribute(
                        Box::new(Expr::Call(name("getattr"), vec![*name("conv"), Expr::Text("0".to_owned())], vec![])),
                        "forward".to_owned()
                    )),
                    vec![*name("a")],
                    vec![]
                )),
            ]
        );
    }

    #[test]
    fn what_no_trace_has_is_named() {
        let of =
            |line: &str| methods(&format!("class A(Module):\n  def f(self: A) -> Tensor:\n    {line}\n")).unwrap_err();
        assert_eq!(of("while True:"), "'while', which no trace has");
        assert_eq!(of("x = a + b"), "the character '+'");
        assert_eq!(of("x = f(a"), "a bracket that is not closed");
        assert_eq!(of(&format!("x = {}", "(".repeat(100) + &")".repeat(100))), "an expression that is nested too deep");
    }
}
