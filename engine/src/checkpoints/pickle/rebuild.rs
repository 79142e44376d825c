//! What "calling" means here: the value that a known constructor stands for.

use super::super::budget::{Budget, Spent};
use super::role::Role;
use super::values::{Arena, Described, Handle, Node};

/// The value that a call of `callee` stands for.
pub(super) fn call(
    arena: &mut Arena<'_>,
    callee: Handle,
    arguments: Handle,
    budget: &mut Budget,
) -> Result<Handle, Spent> {
    let Some((_, class)) = arena.class(callee) else {
        return arena.add(Node::Object(callee, Arena::NONE), budget);
    };
    let argument = |arena: &Arena<'_>, i: usize| {
        arena.items(arguments).and_then(|a| a.get(i)).copied().unwrap_or(Arena::NONE)
    };
    match class.role {
        Role::Tensor => arena.add(Node::Tensor(arguments), budget),
        Role::First => Ok(argument(arena, 0)),
        Role::Derived => {
            let (inner, inner_arguments) = (argument(arena, 0), argument(arena, 2));
            // Once: a chain of these would nest calls as deep as the file is long.
            match arena.class(inner).map(|(_, class)| class.role) {
                Some(Role::Tensor) => arena.add(Node::Tensor(inner_arguments), budget),
                Some(Role::First) => {
                    let items = arena.items(inner_arguments);
                    Ok(items.and_then(|a| a.first()).copied().unwrap_or(Arena::NONE))
                }
                _ => arena.add(Node::Object(inner, Arena::NONE), budget),
            }
        }
        Role::Dictionary => {
            let from = argument(arena, 0);
            dictionary(arena, from, budget)
        }
        Role::DefaultDictionary => {
            let from = argument(arena, 1);
            dictionary(arena, from, budget)
        }
        Role::List => {
            let from = argument(arena, 0);
            let items = copied(arena.items(from).unwrap_or_default(), budget)?;
            arena.add_list(&items, Node::List, budget)
        }
        Role::Instance => {
            let class = argument(arena, 0);
            arena.add(Node::Object(class, Arena::NONE), budget)
        }
        Role::Encode => match (arena.get(argument(arena, 0)), arena.word(argument(arena, 1))) {
            (Node::Text(span), Some(code)) if code.starts_with("latin") => {
                arena.add(Node::Latin(span), budget)
            }
            _ => Ok(Arena::OPAQUE),
        },
        Role::NumpyType => arena.add(Node::NumpyType(arguments, Arena::NONE), budget),
        Role::Array => arena.add(Node::Array(Described::State, Arena::NONE), budget),
        Role::ArrayOfBuffer => arena.add(Node::Array(Described::Buffer, arguments), budget),
        Role::Scalar => arena.add(Node::Array(Described::Scalar, arguments), budget),
        Role::Ignored => Ok(Arena::OPAQUE),
        Role::Unknown | Role::Script | Role::Dangerous => {
            arena.add(Node::Object(callee, Arena::NONE), budget)
        }
    }
}

/// A copy of handles, paid for before it is made.
fn copied(items: &[Handle], budget: &mut Budget) -> Result<Vec<Handle>, Spent> {
    budget.steps(items.len() as u64)?;
    budget.memory(size_of_val(items) as u64)?;
    Ok(items.to_vec())
}

/// A dictionary from a list of pairs or from another one.
fn dictionary(arena: &mut Arena<'_>, from: Handle, budget: &mut Budget) -> Result<Handle, Spent> {
    let entries = match arena.get(from) {
        Node::Dict(_) => copied(arena.entries(from).unwrap_or_default().as_flattened(), budget)?,
        Node::List(_) => {
            let pairs = arena.items(from).unwrap_or_default();
            budget.steps(pairs.len() as u64)?;
            budget.memory((2 * size_of_val(pairs)) as u64)?;
            let pairs = pairs.iter().filter_map(|pair| arena.items(*pair));
            pairs.filter(|pair| pair.len() == 2).flatten().copied().collect()
        }
        _ => Vec::new(),
    };
    arena.add_list(&entries, Node::Dict, budget)
}
