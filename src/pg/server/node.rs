//! The server's nodes, read as what their tags say they are.

use pgrx::PgList;
use pgrx::pg_sys::{self, NodeTag};
use std::marker::PhantomData;
use std::ptr::NonNull;

/// A type of nodes.
///
/// # Safety
/// A node with this tag is of this type, and begins with the tag. Zeroes are a value of it.
pub unsafe trait NodeType {
    const TAG: NodeTag;
}

macro_rules! node_types {
    ($($name:ident: $tag:ident,)*) => {$(
        // SAFETY: the server's makeNode() gives each type of nodes its own tag, and begins with zeroes.
        unsafe impl NodeType for pg_sys::$name {
            const TAG: NodeTag = NodeTag::$tag;
        }
    )*};
}

node_types! {
    Const: T_Const,
    FuncExpr: T_FuncExpr,
    RangeTblEntry: T_RangeTblEntry,
    RangeTblFunction: T_RangeTblFunction,
    SupportRequestRows: T_SupportRequestRows,
    Var: T_Var,
}

#[cfg(not(feature = "cbdb"))]
node_types! {
    CustomPath: T_CustomPath,
    CustomScan: T_CustomScan,
    ModifyTable: T_ModifyTable,
    ModifyTableState: T_ModifyTableState,
    Result: T_Result,
    ResultRelInfo: T_ResultRelInfo,
    TargetEntry: T_TargetEntry,
}

/// A node that nobody changes for `'p`, nor anything it refers to: while the planner or the executor calls us, or while a
/// plan is held.
#[derive(Clone, Copy)]
pub struct Node<'p>(NonNull<pg_sys::Node>, PhantomData<&'p pg_sys::Node>);

impl<'p> Node<'p> {
    /// `None` for a null pointer.
    ///
    /// # Safety
    /// Null, or a node that nobody changes for `'p`, nor anything it refers to.
    pub unsafe fn new<T>(node: *const T) -> Option<Self> {
        NonNull::new(node.cast_mut().cast()).map(|node| Self(node, PhantomData))
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
    // SAFETY: it is a list of nodes, as asked for above, and each of them is one for `Node::new`.
    unsafe {
        let list = PgList::<pg_sys::Node>::from_pg(list);
        (0..list.len()).filter_map(move |place| Node::new(list.get_ptr(place)?))
    }
}

/// The only one of a list of functions in FROM, unless there are more or the query defines its columns.
///
/// # Safety
/// As [`nodes`]; the list is that of a range table entry or a function scan.
pub unsafe fn only_function<'p>(functions: *mut pg_sys::List) -> Option<&'p pg_sys::RangeTblFunction> {
    // SAFETY: the same is asked above.
    let mut functions = unsafe { nodes(functions) };
    let function = functions.next()?.read::<pg_sys::RangeTblFunction>()?;
    (functions.next().is_none() && function.funccolnames.is_null()).then_some(function)
}

/// A node of zeroes, except for its tag, in the current memory context, as `makeNode` makes it.
#[cfg(not(feature = "cbdb"))]
pub fn make_node<T: NodeType>() -> *mut T {
    // SAFETY: the memory is as long as a node of the type, which zeroes and its tag make.
    unsafe {
        let node = pg_sys::palloc0(size_of::<T>()).cast::<T>();
        node.cast::<NodeTag>().write(T::TAG);
        node
    }
}
