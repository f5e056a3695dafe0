# PG_CONFIG selects the server to build for, or PG a major version that is fetched; FEATURES adds cargo features.
PG_CONFIG ?= pg_config
ifdef PG
override PG_CONFIG := $(or $(shell scripts/server $(PG)),$(error no server of version $(PG)))
endif
FEATURES ?=
STAGE ?= target/stage
# For Apache Cloudberry: a checkout of its fork of pgrx, to build with.
PGRX_FORK ?=

export PG_CONFIG
# pgrx reads both; its home is not used here, but it needs one. For another path it builds again, so a server has one path:
# Debian's /usr/bin/pg_config calls that of the server.
export PGRX_PG_CONFIG_PATH = $(shell $(PG_CONFIG) --bindir 2>/dev/null)/pg_config
export PGRX_HOME = $(CURDIR)/target/pgrx

# After the library, cargo-pgrx builds a program that writes the extension's SQL, always in profile dev, for which all
# dependencies would be compiled once more. So both are built in release, for which it has a flag, and linked to where
# it looks for profile dev.
TARGET = $(or $(CARGO_TARGET_DIR),target)
CARGO_PGRX = mkdir -p $(TARGET)/debug && ln -sf $(addprefix ../release/,libmillrace.so pgrx_embed_millrace) $(TARGET)/debug && \
	PGRX_BUILD_FLAGS=--release cargo pgrx
PG_FEATURE = pg$(shell $(PG_CONFIG) --version | sed 's/^PostgreSQL \([0-9]*\).*/\1/')
CARGO_FEATURES = --no-default-features --features "$(PG_FEATURE) $(FEATURES)"

.PHONY: help demo test test-all test-pure test-server test-cluster test-client test-ingest test-crash test-docs install stage package release upgrade-script bench bench-sources bench-sql bench-export bench-calls bench-tpch bench-tpcds bench-batches bench-rates proof lint check-versions check-dependencies fmt bootstrap clean

help:                      ## this list
	@awk -F ':.*## *' '/^[a-z-]+:.*## / { printf "%-19s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: bootstrap            ## builds, starts a temporary server and shows the main job on it
	scripts/demo

test: bootstrap            ## all tests; with PG=18, or 14 to 17, on such a server; with LANES="server docs" those lanes
	scripts/test $(LANES)

test-all:                  ## all tests on all versions
	for version in 18 17 16 15 14; do $(MAKE) test PG=$$version || exit; done

test-pure test-server test-cluster test-client test-ingest test-crash test-docs: bootstrap
	scripts/test $(@:test-%=%)

# The fork brings a cargo-pgrx of its own.
install: $(if $(PGRX_FORK),,bootstrap) stage ## installs into the server that PG_CONFIG selects
	scripts/install $(STAGE)

stage: $(PGRX_HOME)/config.toml ## builds what is to be installed, below $(STAGE)
	$(if $(PGRX_FORK),scripts/stage-cloudberry $(PGRX_FORK) $(STAGE),$(CARGO_PGRX) package --debug --pg-config $(PGRX_PG_CONFIG_PATH) --out-dir $(STAGE) $(CARGO_FEATURES))
	cp release/*/millrace--*.sql $(STAGE)$(shell $(PG_CONFIG) --sharedir)/extension

package: bootstrap         ## .deb and .tar.gz for each major version, tried, in target/package
	scripts/package target/package
	scripts/try-package target/package/*

release: bootstrap         ## the files of a release and their checksums, in target/release-files
	scripts/release target/release-files

upgrade-script:            ## writes the upgrade script from the last released version
	scripts/upgrade-script

# Without it cargo would rebuild pgrx each time.
$(PGRX_HOME)/config.toml:
	@mkdir -p $(@D)
	@printf '[configs]\n$(PG_FEATURE) = "$(PGRX_PG_CONFIG_PATH)"\n' > $@

bench: bench-sources bench-sql bench-export bench-calls bench-tpch bench-tpcds bench-batches bench-rates ## all benchmarks

bench-sources: bootstrap   ## criterion benchmarks of the sources
	cargo bench -p millrace-benches

bench-sql: bootstrap target/bench/installed ## millrace beside its peers; writes benches/RESULTS.md
	@$(MAKE) -s stage STAGE=target/stage-pg
	python3 benches/side_by_side.py
	python3 benches/segments.py

bench-calls: bootstrap     ## call records beside a generator in PL/pgSQL; writes benches/RESULTS.md
	@$(MAKE) -s stage STAGE=target/stage-pg
	python3 benches/call_records.py

bench-batches: bootstrap   ## what a batch costs, waiting for its commit and what older runs add; its section of benches/RESULTS.md
	@$(MAKE) -s stage STAGE=target/stage-pg
	python3 benches/batches.py
	python3 benches/ledger_history.py

bench-rates: bootstrap     ## latency at a rate that is offered, with readers, and the rate that holds; its section of benches/RESULTS.md
	@$(MAKE) -s stage STAGE=target/stage-pg
	python3 benches/rates.py

bench-tpch: bootstrap target/bench/installed ## all of TPC-H beside its peers, and its queries; writes benches/RESULTS.md
	@$(MAKE) -s stage STAGE=target/stage-pg
	target/bench/bin/python benches/tpch_load.py

bench-tpcds: bootstrap target/bench/installed ## all of TPC-DS beside its peers, and its queries; writes benches/RESULTS.md
	@$(MAKE) -s stage STAGE=target/stage-pg
	target/bench/bin/python benches/tpcds_load.py

proof: bootstrap           ## what takes minutes: TPC-DS's rows at scale factor 1, and the 99 answers on loaded tables and on views
	scripts/test proof

bench-export: bootstrap target/bench/installed ## exports, alone and beside a peer; their section of benches/RESULTS.md
	cargo build --release -p millrace-export --example export
	cargo build --release -p millrace-cli
	python3 benches/export.py

# The peers, from PyPI; the tests read exported files with two of them, and an example with pandas.
target/bench/installed: Makefile
	scripts/bootstrap python3-venv
	python3 -m venv target/bench
	target/bench/bin/python -m pip install -q tpcgen-cli==4.0.0 duckdb==1.5.5 duckdb-extension-tpch==1.5.5 duckdb-extension-tpcds==1.5.5 pyarrow pandas
	@touch $@

lint: bootstrap            ## formatting and clippy
	cargo fmt --all --check
	cargo clippy --release --all-targets -p millrace-sources -p millrace-export -p millrace-progress -p millrace-cli -p millrace-tests -p millrace-benches -- -D warnings
	cargo clippy --release -p millrace --lib $(CARGO_FEATURES) -- -D warnings
	cargo clippy --release -p millrace --lib --no-default-features --features "$(PG_FEATURE) pg_test" -- -D warnings
	cargo clippy --release -p millrace --lib --no-default-features --features "$(PG_FEATURE) pg_test cbdb" -- -D warnings

check-versions:            ## type-checks the library for each version of PostgreSQL and for Cloudberry, without servers
	scripts/check-versions

check-dependencies:        ## licenses and sources of all dependencies, by deny.toml
	scripts/check-dependencies

fmt:                       ## formats all code
	cargo fmt --all

# A fetched server runs as the user of the distribution's server, with that one's libraries.
bootstrap:
	@$(if $(PG),env -u PG_CONFIG )scripts/bootstrap

clean:
	cargo clean
