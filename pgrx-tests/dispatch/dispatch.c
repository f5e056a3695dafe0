/*
 * What the coordinator of a cluster refuses, for PostgreSQL servers that simulate one in the tests.
 *
 * Where gp_role is "dispatch", a table that is not a catalog's counts as distributed: a statement that reads or writes
 * it is dispatched from its start to its end. Where a function runs, and which tables are replicated, is said by
 * SECURITY LABEL FOR dispatch, with the words that follow EXECUTE ON and SET DISTRIBUTED on a cluster.
 *
 * Functions of the tests that stand for the engine have SET dispatch.enforce = off.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/xact.h"
#include "catalog/pg_class.h"
#include "catalog/pg_namespace.h"
#include "catalog/pg_proc.h"
#include "commands/seclabel.h"
#include "executor/executor.h"
#include "executor/nodeSubplan.h"
#include "fmgr.h"
#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "optimizer/optimizer.h"
#include "optimizer/planner.h"
#include "parser/parsetree.h"
#include "rewrite/rewriteManip.h"
#include "storage/lmgr.h"
#include "tcop/pquery.h"
#include "tcop/utility.h"
#include "utils/fmgroids.h"
#include "utils/guc.h"
#include "utils/lsyscache.h"
#include "utils/syscache.h"
#include "utils/timestamp.h"

PG_MODULE_MAGIC;

void		_PG_init(void);

static bool enforce = true;

static bool
enforcing(void)
{
	const char *role = GetConfigOption("gp_role", true, false);

	return enforce && role != NULL && strcmp(role, "dispatch") == 0;
}

static void
refuse(const char *message)
{
	ereport(ERROR, (errcode(ERRCODE_FEATURE_NOT_SUPPORTED), errmsg("%s", message)));
}

/* Where functions run and where tables are stored. */

static bool
is_labelled(Oid class, Oid object, const char *label)
{
	ObjectAddress address = {class, object, 0};
	char	   *found = GetSecurityLabel(&address, "dispatch");

	return found != NULL && strcmp(found, label) == 0;
}

static bool
is_on_segments(Oid function, void *context)
{
	return is_labelled(ProcedureRelationId, function, "ALL SEGMENTS");
}

static bool
is_on_coordinator(Oid function, void *context)
{
	return is_labelled(ProcedureRelationId, function, "COORDINATOR");
}

static bool
is_placed(Oid function, void *context)
{
	return is_on_segments(function, NULL) || is_on_coordinator(function, NULL);
}

static bool
is_replicated(RangeTblEntry *entry)
{
	return entry->rtekind == RTE_RELATION && is_labelled(RelationRelationId, entry->relid, "REPLICATED");
}

static bool
is_distributed(Oid relation)
{
	return relation >= FirstNormalObjectId && get_rel_namespace(relation) != PG_CATALOG_NAMESPACE;
}

/* Functions of the server's that ask all segments. */
static bool
asks_segments(Oid function, void *context)
{
	switch (function)
	{
		case F_PG_LOCK_STATUS:
		case F_PG_TOTAL_RELATION_SIZE:
		case F_PG_TABLE_SIZE:
		case F_PG_INDEXES_SIZE:
		case F_PG_RELATION_SIZE_REGCLASS:
		case F_PG_RELATION_SIZE_REGCLASS_TEXT:
		case F_PG_DATABASE_SIZE_NAME:
		case F_PG_DATABASE_SIZE_OID:
			return true;
		default:
			return false;
	}
}

/* Whether an expression calls a function of a kind; not in its subqueries. */
static bool
calls_walker(Node *node, void *kind)
{
	if (node == NULL || IsA(node, Query))
		return false;
	return check_functions_in_node(node, (check_function_callback) kind, NULL) ||
		expression_tree_walker(node, calls_walker, kind);
}

static bool
calls(void *expression, check_function_callback kind)
{
	return calls_walker((Node *) expression, (void *) kind);
}

/* Queries, before they are planned. */

typedef bool (*EntryKind) (RangeTblEntry *entry);

static bool
is_function_on_segments(RangeTblEntry *entry)
{
	return entry->rtekind == RTE_FUNCTION && calls(entry->functions, is_on_segments);
}

static bool
is_function_on_coordinator(RangeTblEntry *entry)
{
	return entry->rtekind == RTE_FUNCTION && calls(entry->functions, is_on_coordinator);
}

/* Whether a query itself reads, writes or calls something of a kind. */
static bool
has_entry(Query *query, EntryKind is_kind)
{
	ListCell   *cell;

	foreach(cell, query->rtable)
	{
		if (is_kind(lfirst_node(RangeTblEntry, cell)))
			return true;
	}
	return false;
}

/* Whether it or one of its subqueries does. */
static bool
contains_entry_walker(Node *node, void *is_kind)
{
	if (node == NULL)
		return false;
	if (IsA(node, Query))
		return has_entry((Query *) node, (EntryKind) is_kind) ||
			query_tree_walker((Query *) node, contains_entry_walker, is_kind, 0);
	return expression_tree_walker(node, contains_entry_walker, is_kind);
}

static bool
union_contains(Query *query, Node *arm, EntryKind is_kind)
{
	if (IsA(arm, RangeTblRef))
		return contains_entry_walker((Node *) rt_fetch(((RangeTblRef *) arm)->rtindex, query->rtable)->subquery,
									 (void *) is_kind);
	return union_contains(query, castNode(SetOperationStmt, arm)->larg, is_kind) ||
		union_contains(query, castNode(SetOperationStmt, arm)->rarg, is_kind);
}

/* The clauses of the opposite order; columns without one keep theirs. */
static List *
opposite_order(List *clauses)
{
	List	   *opposites = copyObject(clauses);
	ListCell   *cell;

	foreach(cell, opposites)
	{
		SortGroupClause *clause = lfirst_node(SortGroupClause, cell);
		Oid			opposite = get_commutator(clause->sortop);

		if (OidIsValid(opposite))
		{
			clause->sortop = opposite;
			clause->nulls_first = !clause->nulls_first;
#if PG_VERSION_NUM >= 180000
			clause->reverse_sort = !clause->reverse_sort;
#endif
		}
	}
	return opposites;
}

/* The name of a subquery in FROM that chooses rows for one that has lost their order. */
static const char *const CHOOSING = "dispatch.limited";

/* A query of another's rows: all of its columns, those included that only its order needs. */
static Query *
select_from(Query *inner)
{
	Query	   *query = makeNode(Query);
	RangeTblEntry *entry = makeNode(RangeTblEntry);
	RangeTblRef *reference = makeNode(RangeTblRef);
	ListCell   *cell;

	entry->rtekind = RTE_SUBQUERY;
	entry->subquery = inner;
	entry->lateral = contain_vars_of_level((Node *) inner, 1);
	entry->inFromCl = true;
	entry->eref = makeAlias(CHOOSING, NIL);
	reference->rtindex = 1;
	query->commandType = CMD_SELECT;
	query->canSetTag = true;
	query->rtable = list_make1(entry);
	query->jointree = makeFromExpr(list_make1(reference), NULL);
	foreach(cell, inner->targetList)
	{
		TargetEntry *column = lfirst_node(TargetEntry, cell);
		Node	   *value = (Node *) column->expr;
		Var		   *var = makeVar(1, column->resno, exprType(value), exprTypmod(value), exprCollation(value), 0);
		TargetEntry *same = makeTargetEntry((Expr *) var, column->resno, column->resname, column->resjunk);

		same->ressortgroupref = column->ressortgroupref;
		query->targetList = lappend(query->targetList, same);
		entry->eref->colnames = lappend(entry->eref->colnames, makeString(column->resname ? column->resname : "?column?"));
		column->resjunk = false;
	}
	return query;
}

/* An order that is not kept: the opposite one exposes code that relies on it. LIMIT chooses by the order, and then loses it. */
static void
lose_order(Query *subquery)
{
	Query	   *inner;

	if (subquery->sortClause == NIL || subquery->distinctClause != NIL)
		return;
	if (subquery->limitCount == NULL)
	{
		subquery->sortClause = opposite_order(subquery->sortClause);
		return;
	}
	inner = copyObject(subquery);
	IncrementVarSublevelsUp((Node *) inner, 1, 1);
	*subquery = *select_from(inner);
	subquery->sortClause = opposite_order(inner->sortClause);
}

static bool
correlated_walker(Node *node, void *context)
{
	if (node == NULL)
		return false;
	if (IsA(node, SubLink) && ((SubLink *) node)->subLinkType == EXPR_SUBLINK)
	{
		Query	   *query = castNode(Query, ((SubLink *) node)->subselect);

		if (contain_vars_of_level((Node *) query, 1) && has_entry(query, is_function_on_segments))
			refuse("function with EXECUTE ON ALL SEGMENTS cannot be used in a correlated subquery");
	}
	return expression_tree_walker(node, correlated_walker, context);
}

static bool
outer_walker(Node *node, void *context)
{
	if (node == NULL)
		return false;
	if (IsA(node, Var))
		return castNode(Var, node)->varlevelsup > 0;
	return expression_tree_walker(node, outer_walker, context);
}

/* A function in FROM that has a place and takes a value of the query around its own. */
static bool
takes_outer_values(RangeTblEntry *entry)
{
	return entry->rtekind == RTE_FUNCTION && calls(entry->functions, is_placed) && outer_walker((Node *) entry->functions, NULL);
}

static void
check_query(Query *query)
{
	bool		writes = query->commandType == CMD_UPDATE || query->commandType == CMD_DELETE;
	ListCell   *cell;

	if (has_entry(query, is_replicated) && contain_volatile_functions((Node *) query->jointree))
		refuse("volatile function in a qualification over a replicated table");
	if (writes && is_replicated(rt_fetch(query->resultRelation, query->rtable)) &&
		contain_volatile_functions((Node *) query))
		refuse("volatile function in an UPDATE or DELETE of a replicated table");

	if (calls(query->targetList, is_placed))
	{
		if (query->rtable != NIL)
			refuse("function with EXECUTE ON restrictions cannot be used in the SELECT list of a query with FROM");
		if (query->limitCount != NULL || query->limitOffset != NULL)
			refuse("function with EXECUTE ON restrictions cannot be used here");
	}
	if (has_entry(query, is_function_on_segments) && has_entry(query, is_function_on_coordinator))
		refuse("functions that run on all segments and on the coordinator cannot be used together");
	correlated_walker((Node *) query->jointree, NULL);
	if (has_entry(query, takes_outer_values))
		refuse("function with EXECUTE ON restrictions cannot be used in a subquery with arguments from the query around it");

	if (query->setOperations != NULL)
	{
		SetOperationStmt *operation = castNode(SetOperationStmt, query->setOperations);

		if (operation->op == SETOP_UNION && !operation->all &&
			union_contains(query, (Node *) operation, is_replicated) &&
			union_contains(query, (Node *) operation, is_function_on_coordinator))
			ereport(ERROR, (errcode(ERRCODE_INTERNAL_ERROR), errmsg("unexpected argument locus")));
	}

	/* Numbering the rows of a subquery brings its order back. */
	foreach(cell, query->rtable)
	{
		RangeTblEntry *entry = lfirst_node(RangeTblEntry, cell);

		if (entry->rtekind == RTE_SUBQUERY && !query->hasWindowFuncs && strcmp(entry->eref->aliasname, CHOOSING) != 0)
			lose_order(entry->subquery);
	}
	foreach(cell, query->cteList)
	{
		Query	   *with = castNode(Query, lfirst_node(CommonTableExpr, cell)->ctequery);

		if (with->commandType == CMD_SELECT)
			lose_order(with);
		else if (query->commandType != CMD_SELECT)
			refuse("writable CTE queries cannot be themselves writable");
	}
}

static bool
check_walker(Node *node, void *writing)
{
	if (node == NULL)
		return false;
	if (!IsA(node, Query))
		return expression_tree_walker(node, check_walker, writing);
	check_query((Query *) node);
	if (((Query *) node)->commandType != CMD_SELECT && ++*(int *) writing > 1)
		refuse("only one modifying WITH clause allowed per query");
	return query_tree_walker((Query *) node, check_walker, writing, 0);
}

static planner_hook_type next_planner;

static PlannedStmt *
plan(Query *query, const char *text, int options, ParamListInfo parameters)
{
	int			writing = 0;

	if (enforcing())
		check_walker((Node *) query, &writing);
	return (next_planner ? next_planner : standard_planner) (query, text, options, parameters);
}

/* Statements: one dispatch at a time. */

/* What is dispatched, a statement or one of its InitPlans, and in which subtransaction it was. */
static void *dispatched = NULL;
static int	dispatched_level;

static void
refuse_second(void)
{
	ereport(ERROR,
			(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
			 errmsg("query plan with multiple segworker groups is not supported"),
			 errhint("likely caused by a function that reads or modifies data in a distributed table")));
}

/* What a plan needs from the segments. */
typedef struct Needs
{
	EState	   *estate;
	List	   *initplans;		/* of the whole statement, which run before */
	PlanState  *root;
	bool		tables;			/* from start to end */
	bool		answers;		/* while a function of the server's runs */
} Needs;

static bool
is_initplan(Needs *needs, PlanState *state)
{
	ListCell   *cell;

	foreach(cell, needs->initplans)
	{
		if (((SubPlanState *) lfirst(cell))->planstate == state)
			return true;
	}
	return false;
}

static void
need_table(Needs *needs, Index entry, LOCKMODE lock)
{
	Oid			relation = exec_rt_fetch(entry, needs->estate)->relid;

	if (!is_distributed(relation))
		return;
	needs->tables = true;
	if (lock != NoLock)
		LockRelationOid(relation, lock);
}

static bool
needs_walker(PlanState *state, void *context)
{
	Needs	   *needs = context;
	Plan	   *node = state->plan;
	List	   *expressions = list_make2(node->targetlist, node->qual);
	ListCell   *cell;

	if (state != needs->root && is_initplan(needs, state))
		return false;
	switch (nodeTag(node))
	{
		case T_SeqScan:
		case T_SampleScan:
		case T_IndexScan:
		case T_IndexOnlyScan:
		case T_BitmapHeapScan:
		case T_TidScan:
		case T_TidRangeScan:
		case T_ForeignScan:
			need_table(needs, ((Scan *) node)->scanrelid, NoLock);
			break;
		case T_ModifyTable:
			/* UPDATE and DELETE keep all others from writing. */
			foreach(cell, ((ModifyTable *) node)->resultRelations)
				need_table(needs, lfirst_int(cell),
						   ((ModifyTable *) node)->operation == CMD_INSERT ? NoLock : ExclusiveLock);
			break;
		case T_FunctionScan:
			expressions = lappend(expressions, ((FunctionScan *) node)->functions);
			break;
		case T_Result:
			expressions = lappend(expressions, ((Result *) node)->resconstantqual);
			break;
		case T_NestLoop:
		case T_MergeJoin:
		case T_HashJoin:
			expressions = lappend(expressions, ((Join *) node)->joinqual);
			break;
		default:
			break;
	}
	foreach(cell, expressions)
	{
		needs->tables |= calls(lfirst(cell), is_on_segments);
		needs->answers |= calls(lfirst(cell), asks_segments);
	}
	return planstate_tree_walker(state, needs_walker, context);
}

static Needs
needs_of(PlanState *root, EState *estate, List *initplans)
{
	Needs		needs = {.estate = estate, .initplans = initplans, .root = root};

	needs_walker(root, &needs);
	return needs;
}

/* Begins what needs them. The extended protocol and cursors do not count; what they call does. */
static void
begin(void *what, Needs *needs, bool counts)
{
	bool		keeps = needs->tables && counts;

	if (!needs->tables && !needs->answers)
		return;
	if (dispatched != NULL || (keeps && needs->answers))
		refuse_second();
	if (keeps)
	{
		dispatched = what;
		dispatched_level = GetCurrentTransactionNestLevel();
	}
}

static void
end(void *what)
{
	if (dispatched == what)
		dispatched = NULL;
}

/* The InitPlans that can run before the statement: those that need no value of a row. */
static List *
find_initplans(QueryDesc *query)
{
	int			count = list_length(query->plannedstmt->paramExecTypes);
	Bitmapset  *made = NULL;
	List	   *found = NIL;

	for (int number = 0; number < count; number++)
	{
		SubPlanState *initplan = query->estate->es_param_exec_vals[number].execPlan;

		if (initplan == NULL)
			continue;
		made = bms_add_member(made, number);
		if (bms_is_subset(initplan->planstate->plan->extParam, made))
			found = list_append_unique_ptr(found, initplan);
	}
	return found;
}

/*
 * A function's SET clause changes settings back when the function ends. Outside transaction blocks the coordinator
 * tells the segments so before it reads the next message, in a transaction of its own. If that message is Bind, which
 * plans a statement and runs its InitPlans, the portal that it made is gone when Execute comes. Each message has a time.
 */
static TimestampTz settings_restored_at;

static bool
has_settings(Oid function)
{
	HeapTuple	tuple;
	bool		found;

	if (function < FirstNormalObjectId)
		return false;
	tuple = SearchSysCache1(PROCOID, ObjectIdGetDatum(function));
	found = HeapTupleIsValid(tuple) && !heap_attisnull(tuple, Anum_pg_proc_proconfig, NULL);
	if (HeapTupleIsValid(tuple))
		ReleaseSysCache(tuple);
	return found;
}

/* When a function starts, its settings are there, and with them those of what stands for the engine. */
static void
around_function(FmgrHookEventType event, FmgrInfo *function, Datum *counts)
{
	if (event == FHET_START)
		*counts = BoolGetDatum(enforcing() && !IsTransactionBlock() && has_settings(function->fn_oid));
	else if (event == FHET_END && DatumGetBool(*counts))
		settings_restored_at = GetCurrentStatementStartTimestamp();
}

/* Whether a statement came by the extended protocol, or is a cursor's. Those of the simple protocol have hidden portals. */
static bool
is_extended(QueryDesc *query)
{
	return ActivePortal != NULL && ActivePortal->visible && list_member_ptr(ActivePortal->stmts, query->plannedstmt);
}

/* Whether a Bind message starts it. Cursors of functions have names like "<unnamed portal 1>". */
static bool
is_bound(QueryDesc *query)
{
	return is_extended(query) && ActivePortal->name[0] != '<';
}

static ExecutorStart_hook_type next_start;

static void
start(QueryDesc *query, int flags)
{
	bool		extended = is_extended(query);
	List	   *initplans;
	ListCell   *cell;
	Needs		needs;

	(next_start ? next_start : standard_ExecutorStart) (query, flags);
	if ((flags & EXEC_FLAG_EXPLAIN_ONLY) || !enforcing())
		return;
	initplans = find_initplans(query);
	foreach(cell, initplans)
	{
		SubPlanState *initplan = lfirst(cell);

		needs = needs_of(initplan->planstate, query->estate, initplans);
		begin(initplan, &needs, !extended);
		ExecSetParamPlan(initplan, GetPerTupleExprContext(query->estate));
		end(initplan);
	}
	needs = needs_of(query->planstate, query->estate, initplans);
	if (is_bound(query) && settings_restored_at == GetCurrentStatementStartTimestamp())
		ereport(ERROR, (errcode(ERRCODE_UNDEFINED_CURSOR), errmsg("portal \"\" does not exist")));
	begin(query, &needs, !extended);
}

static ExecutorFinish_hook_type next_finish;

/* Triggers of foreign keys read tables, and a cluster has none. */
static void
finish(QueryDesc *query)
{
	void	   *outer = dispatched;

	dispatched = NULL;
	(next_finish ? next_finish : standard_ExecutorFinish) (query);
	dispatched = outer;
}

static ExecutorEnd_hook_type next_end;

static void
stop(QueryDesc *query)
{
	end(query);
	(next_end ? next_end : standard_ExecutorEnd) (query);
}

static ProcessUtility_hook_type next_utility;

static void
utility(PlannedStmt *statement, const char *text, bool read_only_tree, ProcessUtilityContext context,
		ParamListInfo parameters, QueryEnvironment *environment, DestReceiver *destination, QueryCompletion *completion)
{
	Node	   *node = statement->utilityStmt;
	LogStmtLevel level = GetCommandLogLevel(node);

	if (level == LOGSTMT_DDL || level == LOGSTMT_MOD || IsA(node, VacuumStmt) || IsA(node, LockStmt))
	{
		if (dispatched != NULL && enforcing())
			refuse_second();
	}
	(next_utility ? next_utility : standard_ProcessUtility) (statement, text, read_only_tree, context, parameters,
															 environment, destination, completion);
}

/* Whatever ends without ExecutorEnd ends with its transaction. */
static void
at_transaction_end(XactEvent event, void *context)
{
	if (event == XACT_EVENT_COMMIT || event == XACT_EVENT_ABORT)
		dispatched = NULL;
}

static void
at_subtransaction_end(SubXactEvent event, SubTransactionId self, SubTransactionId parent, void *context)
{
	int			level = GetCurrentTransactionNestLevel();

	if (dispatched_level < level)
		return;
	if (event == SUBXACT_EVENT_ABORT_SUB)
		dispatched = NULL;
	else if (event == SUBXACT_EVENT_COMMIT_SUB)
		dispatched_level = level - 1;
}

static void
check_label(const ObjectAddress *object, const char *label)
{
	if (strcmp(label, "ALL SEGMENTS") != 0 && strcmp(label, "COORDINATOR") != 0 && strcmp(label, "REPLICATED") != 0)
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE), errmsg("no such place: %s", label)));
}

void
_PG_init(void)
{
	DefineCustomBoolVariable("dispatch.enforce", "Refuses what a cluster's coordinator refuses.", NULL, &enforce, true,
							 PGC_USERSET, 0, NULL, NULL, NULL);
	register_label_provider("dispatch", check_label);
	RegisterXactCallback(at_transaction_end, NULL);
	RegisterSubXactCallback(at_subtransaction_end, NULL);
	next_planner = planner_hook;
	planner_hook = plan;
	next_start = ExecutorStart_hook;
	ExecutorStart_hook = start;
	next_finish = ExecutorFinish_hook;
	ExecutorFinish_hook = finish;
	next_end = ExecutorEnd_hook;
	ExecutorEnd_hook = stop;
	next_utility = ProcessUtility_hook;
	ProcessUtility_hook = utility;
	needs_fmgr_hook = has_settings;
	fmgr_hook = around_function;
}
