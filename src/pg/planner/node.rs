//! The server's nodes, read as what their tags say they are.

use pgrx::PgList;
use pgrx::pg_sys::{self, NodeTag};
use std::marker::PhantomData;
use std::ptr::NonNull;

/// A type of nodes.
///
/// # Safety
/// A node with this tag is of this type.
pub unsafe trait NodeType {
    const TAG: NodeTag;
}

macro_rules! node_types {
    ($($name:ident: $tag:ident,)*) => {$(
        // SAFETY: the server's makeNode() gives each type of nodes its own tag.
        unsafe impl NodeType for pg_sys::$name {
            const TAG: NodeTag = NodeTag::$tag;
        }
    )*};
}

node_types! {
    Const: T_Const,
    FuncExpr: T_FuncExpr,
    RangeTblFunction: T_RangeTblFunction,
    SupportRequestRows: T_SupportRequestRows,
    Var: T_Var,
}

/// A node that nobody changes for `'p`, while the planner or the executor calls us.
#[derive(Clone, Copy)]
pub struct Node<'p>(NonNull<pg_sys::Node>, PhantomData<&'p pg_sys::Node>);

impl<'p> Node<'p> {
    /// `None` for a null pointer.
    ///
    /// # Safety
    /// Null, or a node that nobody changes for `'p`, nor what it refers to.
    pub unsafe fn new(node: *mut pg_sys::Node) -> Option<Self> {
        NonNull::new(node).map(|node| Self(node, PhantomData))
    }

    /// The node as one of a type, if it is.
    pub fn read<T: NodeType>(self) -> Option<&'p T> {
        // SAFETY: there is a node, its tag says that it is of this type, and nobody changes it meanwhile.
        unsafe { (self.0.as_ref().type_ == T::TAG).then(|| self.0.cast::<T>().as_ref()) }
    }
}

/// The nodes of a list.
///
/// # Safety
/// Null, or a list of nodes for which the same holds as for [`Node::new`].
pub unsafe fn nodes<'p>(list: *mut pg_sys::List) -> impl Iterator<Item = Node<'p>> {
    // SAFETY: the caller vouches for the list and its nodes.
    unsafe {
        let list = PgList::<pg_sys::Node>::from_pg(list);
        (0..list.len()).filter_map(move |place| Node::new(list.get_ptr(place)?))
    }
}
