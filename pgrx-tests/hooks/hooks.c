/*
 * A library of the tests' own that hooks into the server as extensions do that people have beside millrace.
 *
 * - Tables whose rows lie elsewhere: what is asked of table T with a table T_elsewhere beside it is asked of that one, in
 *   every statement that is planned. As distributed tables and hypertables do it, the table itself stays empty. Where
 *   hooks.wrap is on, an INSERT into it is also wrapped in a custom scan. Where T_elsewhere inherits from T, as a chunk from
 *   its hypertable, ONLY T is T.
 * - An auditor that writes each INSERT's tables to the server's log when permissions are checked, and refuses those
 *   called "forbidden".
 * - A reader of foreign plans, which takes the first element of any custom_private for a node.
 */
#include "postgres.h"

#include "catalog/namespace.h"
#include "catalog/pg_inherits.h"
#include "executor/executor.h"
#include "fmgr.h"
#include "nodes/extensible.h"
#include "nodes/nodeFuncs.h"
#include "optimizer/planner.h"
#include "parser/parse_relation.h"
#include "storage/lmgr.h"
#include "utils/guc.h"
#include "utils/lsyscache.h"

PG_MODULE_MAGIC;

static bool wrap = false;

static planner_hook_type previous_planner;
static ExecutorStart_hook_type previous_start;
static ExecutorCheckPerms_hook_type previous_check;

/* Tables whose rows lie elsewhere. */

static Oid
elsewhere(Oid table)
{
	char	   *name = get_rel_name(table);
	Oid			other;

	if (name == NULL)
		return InvalidOid;
	other = get_relname_relid(psprintf("%s_elsewhere", name), get_rel_namespace(table));
	if (OidIsValid(other))
		LockRelationOid(other, RowExclusiveLock);
	return other;
}

/* Where the rows of an entry of a range table lie, if elsewhere. */
static Oid
destination(RangeTblEntry *entry)
{
	bool		only = !entry->inh && entry->rellockmode == AccessShareLock;
	Oid			other = entry->rtekind == RTE_RELATION ? elsewhere(entry->relid) : InvalidOid;

	return OidIsValid(other) && only && has_superclass(other) ? InvalidOid : other;
}

static bool
redirect(Node *node, void *redirected)
{
	if (node == NULL)
		return false;
	if (IsA(node, RangeTblEntry))
	{
		Oid			other = destination((RangeTblEntry *) node);

		if (OidIsValid(other))
		{
			((RangeTblEntry *) node)->relid = other;
			*(bool *) redirected = true;
		}
		return false;
	}
	if (IsA(node, Query))
	{
#if PG_VERSION_NUM >= 160000
		ListCell   *cell;

		foreach(cell, ((Query *) node)->rtable)
		{
			RangeTblEntry *entry = lfirst_node(RangeTblEntry, cell);
			Oid			other = destination(entry);

			if (OidIsValid(other) && entry->perminfoindex > 0)
				getRTEPermissionInfo(((Query *) node)->rteperminfos, entry)->relid = other;
		}
#endif
		return query_tree_walker((Query *) node, redirect, redirected, QTW_EXAMINE_RTES_BEFORE);
	}
	return expression_tree_walker(node, redirect, redirected);
}

static TupleTableSlot *
run_inner(CustomScanState *node)
{
	return ExecProcNode((PlanState *) linitial(node->custom_ps));
}

static void
begin_inner(CustomScanState *node, EState *estate, int eflags)
{
	CustomScan *scan = (CustomScan *) node->ss.ps.plan;

	node->custom_ps = list_make1(ExecInitNode((Plan *) linitial(scan->custom_plans), estate, eflags));
}

static void
end_inner(CustomScanState *node)
{
	ExecEndNode((PlanState *) linitial(node->custom_ps));
}

static void
rescan_inner(CustomScanState *node)
{
	ExecReScan((PlanState *) linitial(node->custom_ps));
}

static const CustomExecMethods wrapper_exec = {
	.CustomName = "HooksInsert",
	.BeginCustomScan = begin_inner,
	.ExecCustomScan = run_inner,
	.EndCustomScan = end_inner,
	.ReScanCustomScan = rescan_inner,
};

static Node *
make_wrapper_state(CustomScan *scan)
{
	CustomScanState *state = (CustomScanState *) newNode(sizeof(CustomScanState), T_CustomScanState);

	state->methods = &wrapper_exec;
	return (Node *) state;
}

static const CustomScanMethods wrapper_scan = {
	.CustomName = "HooksInsert",
	.CreateCustomScanState = make_wrapper_state,
};

static PlannedStmt *
plan_elsewhere(Query *parse, const char *text, int options, ParamListInfo parameters)
{
	bool		redirected = false;
	PlannedStmt *planned;

	redirect((Node *) parse, &redirected);
	planned = previous_planner ? previous_planner(parse, text, options, parameters)
		: standard_planner(parse, text, options, parameters);
	if (wrap && redirected && parse->commandType == CMD_INSERT && IsA(planned->planTree, ModifyTable))
	{
		CustomScan *scan = makeNode(CustomScan);

		scan->custom_plans = list_make1(planned->planTree);
		scan->methods = &wrapper_scan;
		scan->scan.plan.startup_cost = planned->planTree->startup_cost;
		scan->scan.plan.total_cost = planned->planTree->total_cost;
		planned->planTree = (Plan *) scan;
	}
	return planned;
}

/* An auditor. */

static void
audit(Oid table)
{
	char	   *name = get_rel_name(table);

	if (name != NULL && strcmp(name, "forbidden") == 0)
		ereport(ERROR, (errcode(ERRCODE_INSUFFICIENT_PRIVILEGE), errmsg("the auditor forbids this")));
	ereport(LOG, (errmsg("AUDIT: insert into \"%s\"", name), errhidestmt(true), errhidecontext(true)));
}

#if PG_VERSION_NUM >= 160000
static bool
check_permissions(List *range_table, List *permissions, bool raise)
{
	ListCell   *cell;

	foreach(cell, permissions)
	{
		RTEPermissionInfo *info = lfirst_node(RTEPermissionInfo, cell);

		if (info->requiredPerms & ACL_INSERT)
			audit(info->relid);
	}
	return previous_check == NULL || previous_check(range_table, permissions, raise);
}
#else
static bool
check_permissions(List *range_table, bool raise)
{
	ListCell   *cell;

	foreach(cell, range_table)
	{
		RangeTblEntry *entry = lfirst_node(RangeTblEntry, cell);

		if (entry->rtekind == RTE_RELATION && (entry->requiredPerms & ACL_INSERT))
			audit(entry->relid);
	}
	return previous_check == NULL || previous_check(range_table, raise);
}
#endif

/* A reader of foreign plans. */

static bool
read_plan(PlanState *state, void *context)
{
	if (IsA(state, CustomScanState))
	{
		CustomScan *scan = (CustomScan *) state->plan;

		if (scan->custom_private != NIL)
		{
			volatile NodeTag tag = nodeTag(linitial(scan->custom_private));

			if (tag == T_Invalid)
				elog(ERROR, "the first element of custom_private is not a node");
		}
	}
	return planstate_tree_walker(state, read_plan, context);
}

static void
start(QueryDesc *query, int flags)
{
	if (previous_start)
		previous_start(query, flags);
	else
		standard_ExecutorStart(query, flags);
	if (query->planstate != NULL)
		read_plan(query->planstate, NULL);
}

void		_PG_init(void);

void
_PG_init(void)
{
	DefineCustomBoolVariable("hooks.wrap", "Wraps INSERTs whose rows go elsewhere in a custom scan.", NULL,
							 &wrap, false, PGC_USERSET, 0, NULL, NULL, NULL);
	RegisterCustomScanMethods(&wrapper_scan);
	previous_planner = planner_hook;
	planner_hook = plan_elsewhere;
	previous_start = ExecutorStart_hook;
	ExecutorStart_hook = start;
	previous_check = ExecutorCheckPerms_hook;
	ExecutorCheckPerms_hook = check_permissions;
}
