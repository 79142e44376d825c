//! Rust source as far as imports need it: words and signs, imports, items, and the rest.

use std::collections::BTreeSet;

/// A word or sign of the language. Comments are left out, literals are the sign `"`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Token {
    Word(String),
    Sign(String),
}

impl Token {
    /// Whether it is this word or sign.
    pub(crate) fn is(&self, text: &str) -> bool {
        let (Self::Word(own) | Self::Sign(own)) = self;
        own == text
    }
}

/// One name that an import brings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Use {
    pub(crate) path: Vec<String>,
    /// What it is called here.
    pub(crate) name: String,
    /// Whether others can take it from here.
    pub(crate) is_public: bool,
    /// Whether it is all that a module has.
    pub(crate) is_glob: bool,
}

/// A file without its tests.
#[derive(Debug, Default)]
pub(crate) struct Parts {
    pub(crate) uses: Vec<Use>,
    /// Modules that are files of their own.
    pub(crate) modules: Vec<String>,
    /// Names of what is defined, at any depth.
    pub(crate) items: BTreeSet<String>,
    /// What is left without the imports.
    pub(crate) code: Vec<Token>,
}

/// The words and signs of a file.
pub(crate) fn read_tokens(text: &str) -> Vec<Token> {
    let chars: Vec<char> = text.chars().collect();
    let mut tokens = Vec::new();
    let mut at = 0;
    let is_word = |c: char| c.is_alphanumeric() || c == '_';
    while let Some(&c) = chars.get(at) {
        let next = chars.get(at + 1).copied();
        if c.is_whitespace() {
            at += 1;
        } else if c == '/' && next == Some('/') {
            at += chars[at..].iter().take_while(|c| **c != '\n').count();
        } else if c == '/' && next == Some('*') {
            at = after_comment(&chars, at);
        } else if let Some(end) = after_text(&chars, at) {
            tokens.push(Token::Sign("\"".to_owned()));
            at = end;
        } else if is_word(c) {
            let word: String = chars[at..].iter().take_while(|c| is_word(**c)).collect();
            at += word.chars().count();
            tokens.push(Token::Word(word));
        } else if c == ':' && next == Some(':') {
            tokens.push(Token::Sign("::".to_owned()));
            at += 2;
        } else {
            tokens.push(Token::Sign(c.to_string()));
            at += 1;
        }
    }
    tokens
}

/// Behind a comment, which may hold others.
fn after_comment(chars: &[char], mut at: usize) -> usize {
    let mut depth = 0;
    while at < chars.len() {
        match (chars[at], chars.get(at + 1)) {
            ('/', Some('*')) => (depth, at) = (depth + 1, at + 2),
            ('*', Some('/')) => (depth, at) = (depth - 1, at + 2),
            _ => at += 1,
        }
        if depth == 0 {
            break;
        }
    }
    at
}

/// Behind a literal of text or of a character, if one begins here. A lifetime is none.
fn after_text(chars: &[char], start: usize) -> Option<usize> {
    let mut at = start;
    while chars.get(at).is_some_and(|c| ['b', 'c', 'r'].contains(c)) && at < start + 2 {
        at += 1;
    }
    let is_raw = chars[start..at].contains(&'r');
    let hashes = chars[at..].iter().take_while(|c| is_raw && **c == '#').count();
    match chars.get(at + hashes)? {
        '"' if is_raw => {
            at += hashes + 1;
            while at < chars.len() {
                let closes = chars[at] == '"'
                    && chars[at + 1..].iter().take_while(|c| **c == '#').count() >= hashes;
                at += 1;
                if closes {
                    return Some(at + hashes);
                }
            }
            Some(at)
        }
        '"' => Some(after_quote(chars, at + 1, '"')),
        '\'' if chars.get(at + 1) == Some(&'\\') || chars.get(at + 2) == Some(&'\'') => {
            Some(after_quote(chars, at + 1, '\''))
        }
        _ => None,
    }
}

fn after_quote(chars: &[char], mut at: usize, quote: char) -> usize {
    while at < chars.len() && chars[at] != quote {
        at += if chars[at] == '\\' { 2 } else { 1 };
    }
    at + 1
}

/// Splits a file into its parts; what is only there for tests is left out.
pub(crate) fn split(tokens: &[Token]) -> Parts {
    let mut parts = Parts::default();
    let tokens = without_tests(tokens);
    let word = |at: usize| match tokens.get(at) {
        Some(Token::Word(word)) => Some(word.clone()),
        _ => None,
    };
    let mut at = 0;
    while at < tokens.len() {
        let is_statement =
            at == 0 || [";", "{", "}", ")", "]", "pub"].iter().any(|s| tokens[at - 1].is(s));
        if tokens[at].is("use") && is_statement {
            let is_public = at > 0 && (tokens[at - 1].is("pub") || tokens[at - 1].is(")"));
            let end = at + tokens[at..].iter().take_while(|t| !t.is(";")).count();
            read_use(&tokens[at + 1..end], &[], is_public, &mut parts.uses);
            at = end + 1;
            continue;
        }
        if tokens[at].is("mod")
            && tokens.get(at + 2).is_some_and(|t| t.is(";"))
            && let Some(name) = word(at + 1)
        {
            parts.modules.push(name);
            at += 3;
            continue;
        }
        let defines = ["fn", "struct", "enum", "trait", "type", "const", "static", "mod"];
        if defines.iter().any(|keyword| tokens[at].is(keyword)) {
            parts.items.extend(word(at + 1));
        } else if tokens[at].is("macro_rules") {
            parts.items.extend(word(at + 2));
        }
        parts.code.push(tokens[at].clone());
        at += 1;
    }
    parts
}

/// Without items under `#[cfg(test)]` and `#[test]`.
fn without_tests(tokens: &[Token]) -> Vec<Token> {
    let is_test = |at: usize| {
        ["#", "[", "cfg", "(", "test", ")", "]"]
            .iter()
            .enumerate()
            .all(|(i, text)| tokens.get(at + i).is_some_and(|t| t.is(text)))
    };
    let mut kept = Vec::new();
    let mut at = 0;
    while at < tokens.len() {
        if is_test(at) {
            at = after_item(tokens, at);
        } else {
            kept.push(tokens[at].clone());
            at += 1;
        }
    }
    kept
}

/// Behind an item with its attributes: behind a `;` or `}` that is in no other bracket.
fn after_item(tokens: &[Token], mut at: usize) -> usize {
    let mut depth = 0_usize;
    while let Some(token) = tokens.get(at) {
        at += 1;
        if ["(", "[", "{"].iter().any(|open| token.is(open)) {
            depth += 1;
        } else if [")", "]", "}"].iter().any(|close| token.is(close)) {
            depth = depth.saturating_sub(1);
            if depth == 0 && token.is("}") {
                break;
            }
        } else if depth == 0 && token.is(";") {
            break;
        }
    }
    at
}

/// Reads what stands between `use` and `;`.
fn read_use(tokens: &[Token], before: &[String], is_public: bool, uses: &mut Vec<Use>) {
    let mut path = before.to_vec();
    let mut at = 0;
    let mut alias = None;
    while at < tokens.len() {
        match &tokens[at] {
            Token::Sign(sign) if sign == "{" => {
                for part in split_list(&tokens[at + 1..tokens.len() - 1]) {
                    read_use(part, &path, is_public, uses);
                }
                return;
            }
            Token::Sign(sign) if sign == "*" => {
                uses.push(Use { path, name: "*".to_owned(), is_public, is_glob: true });
                return;
            }
            Token::Word(word) if word == "as" => {
                if let Some(Token::Word(name)) = tokens.get(at + 1) {
                    alias = Some(name.clone());
                }
                at += 1;
            }
            Token::Word(word) if word == "self" && !path.is_empty() => {}
            Token::Word(word) => path.push(word.clone()),
            Token::Sign(_) => {}
        }
        at += 1;
    }
    if let Some(last) = path.last() {
        let name = alias.unwrap_or_else(|| last.clone());
        uses.push(Use { path, name, is_public, is_glob: false });
    }
}

/// The parts of a list, split at the commas that are in no other bracket.
fn split_list(tokens: &[Token]) -> Vec<&[Token]> {
    let mut depth = 0_usize;
    tokens
        .split(|token| {
            depth += usize::from(token.is("{"));
            depth -= usize::from(token.is("}"));
            depth == 0 && token.is(",")
        })
        .filter(|part| !part.is_empty())
        .collect()
}
