# Aliases for hands used to make. publisher.sh does the work and needs no make.
.PHONY: demo test lint
demo test lint:
	@./publisher.sh $@
