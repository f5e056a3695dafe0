/*
 * What extensions do to tables of theirs that look like any other: inserts into tables named "hyper..." get a node of
 * the extension's above the server's own, which puts no trigger or rule on the table. Counts each insert and names each
 * table whose rights are checked, as an auditor does.
 */
#include "postgres.h"

#include "catalog/pg_class.h"
#include "executor/executor.h"
#include "fmgr.h"
#include "nodes/extensible.h"
#include "nodes/makefuncs.h"
#include "optimizer/planner.h"
#include "parser/parsetree.h"
#include "utils/lsyscache.h"

PG_MODULE_MAGIC;

void _PG_init(void);

static planner_hook_type previous_planner;
static ExecutorCheckPerms_hook_type previous_check;

static void
begin(CustomScanState *node, EState *estate, int eflags)
{
	Plan *insert = linitial(((CustomScan *) node->ss.ps.plan)->custom_plans);

	node->custom_ps = list_make1(ExecInitNode(insert, estate, eflags));
	ereport(NOTICE, errmsg("insert seen"));
}

static TupleTableSlot *
exec(CustomScanState *node)
{
	return ExecProcNode(linitial(node->custom_ps));
}

static void
end(CustomScanState *node)
{
	ExecEndNode(linitial(node->custom_ps));
}

static void
rescan(CustomScanState *node)
{
	ExecReScan(linitial(node->custom_ps));
}

static const CustomExecMethods exec_methods = {
	.CustomName = "Hypertable", .BeginCustomScan = begin, .ExecCustomScan = exec, .EndCustomScan = end, .ReScanCustomScan = rescan
};

static Node *
create(CustomScan *scan)
{
	CustomScanState *state = makeNode(CustomScanState);

	state->methods = &exec_methods;
	return (Node *) state;
}

static const CustomScanMethods scan_methods = {.CustomName = "Hypertable", .CreateCustomScanState = create};

static PlannedStmt *
plan(Query *query, const char *text, int options, ParamListInfo parameters)
{
	PlannedStmt *planned = previous_planner ? previous_planner(query, text, options, parameters)
		: standard_planner(query, text, options, parameters);

	if (planned->commandType == CMD_INSERT && IsA(planned->planTree, ModifyTable))
	{
		ModifyTable *insert = (ModifyTable *) planned->planTree;
		char	   *table = get_rel_name(rt_fetch(insert->nominalRelation, planned->rtable)->relid);

		if (strncmp(table, "hyper", 5) == 0)
		{
			CustomScan *scan = makeNode(CustomScan);

			scan->methods = &scan_methods;
			scan->custom_plans = list_make1(insert);
			scan->scan.plan.targetlist = insert->plan.targetlist;
			planned->planTree = (Plan *) scan;
		}
	}
	return planned;
}

static bool
#if PG_VERSION_NUM >= 160000
check(List *range, List *rights, bool complain)
{
	ListCell   *cell;

	foreach(cell, rights)
	{
		RTEPermissionInfo *entry = lfirst(cell);
#else
check(List *range, bool complain)
{
	ListCell   *cell;

	foreach(cell, range)
	{
		RangeTblEntry *entry = lfirst(cell);
#endif
		if (entry->requiredPerms & ACL_INSERT)
			ereport(NOTICE, errmsg("rights to insert into %s, %d columns", get_rel_name(entry->relid),
								   bms_num_members(entry->insertedCols)));
	}
#if PG_VERSION_NUM >= 160000
	return previous_check ? previous_check(range, rights, complain) : true;
#else
	return previous_check ? previous_check(range, complain) : true;
#endif
}

void
_PG_init(void)
{
	previous_planner = planner_hook;
	planner_hook = plan;
	previous_check = ExecutorCheckPerms_hook;
	ExecutorCheckPerms_hook = check;
	RegisterCustomScanMethods(&scan_methods);
}
