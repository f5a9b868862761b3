"""Whether what we send will be taken: rules on a letter's real bytes, what the DNS says of a sender, what to put there.

rules      | letter.Opened → what a rule finds broken; pure, each rule a row with its source
spf, dmarc | what a record says of a host and a domain; pure, the DNS comes in as a function
dns        | the questions themselves, with time limits: no answer is no answer, never a wrong one
doctor     | all of it for a publication, as findings with the text to copy
"""
