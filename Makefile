# Aliases for hands used to make. publisher.sh does the work and needs no make.
.PHONY: demo test lint bench faults
demo test lint:
	@./publisher.sh $@

bench:
	@./publisher.sh python benchmarks/delivery.py

faults:
	@./publisher.sh python benchmarks/faults.py
