# Copyright (c) 2026, ovirt_community.backup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# make demo         starts the lab, backs up a running virtual machine and shows the backup set
# make demo-guest   the same with Linux guests under QEMU: slower, closer to life, and without root
# make test         runs the checks and tests of every change
# make test-all     runs every check and test: also all that happens on Linux guests, half an hour more
# make recorded     asks the lab what a real engine was asked, and compares the answers
# All set up what they need first. Recipes are single commands, so that a signal reaches them and not a shell.

# Switches for tools/checks.py, such as CHECKS="--strict" or CHECKS="--without guest", or names of sessions:
# CHECKS="lint units-2.21"
CHECKS =

# What `make lab` starts: local, or guest.
TIER = local

# Where `make recorded` finds scenes.
RECORDINGS = tests/lab_tests/recorded

.PHONY: help demo demo-guest test test-all recorded lab lint units setup pins clean

help:
	@sed -n 's/^# \(make .*\)/\1/p' Makefile

demo demo-guest lab recorded: export PYTHONPATH = $(CURDIR)/.cache/ws:$(CURDIR)/tests
demo demo-guest lab: export ANSIBLE_COLLECTIONS_PATH = $(CURDIR)/.cache/ws
demo demo-guest lab: export PATH := $(CURDIR)/.venv/bin:$(PATH):/usr/sbin:/sbin

demo:
	@tools/bootstrap run
	@.venv/bin/python tools/demo.py

demo-guest:
	@tools/bootstrap guest
	@.venv/bin/python tools/demo.py --tier guest

lab:
	@tools/bootstrap $(if $(filter guest,$(TIER)),guest,run)
	@.venv/bin/python -m lab up --dir .lab --tier $(TIER)

setup:
	@tools/bootstrap dev

test: setup
	@.venv/bin/python -B tools/checks.py $(CHECKS)

test-all: setup
	@.venv/bin/python -B tools/checks.py --all $(CHECKS)

recorded: setup
	@.venv/bin/python -B -m player --recordings $(RECORDINGS)

lint: setup
	@.venv/bin/python -B tools/checks.py lint types layers

units: setup
	@.venv/bin/python -B tools/checks.py units

clean:
	@rm -rf .cache .lab .venv .venv-* .ansible .hypothesis tests/output

# Newer pins: look at the difference, run the tests, commit.
pins: setup
	@.cache/uv/bin/uv pip compile -q --upgrade --universal --python-version 3.11 --no-annotate --custom-compile-command "make pins" --group test --group dev --group fetched --output-file constraints.txt
