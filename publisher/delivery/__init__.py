"""How an approved digest goes out: to each member once, with every outcome known, at the speed of the wire.

`docs/reliability.md` says what is promised, `docs/architecture.md` how the parts meet. A way through the room, in which
each file begins with its own promise:

    all together   sending            one batch, from its claim to what follows from it: what a task calls

    the rows       audiences          who is meant, by a rule that is data
                   ledger             their rows: frozen, counted, settled by a person
                   statements         the SQL that runs for every thirty letters
                   claims             which rows are due, and who of them must not be mailed
                   batch              a worker's rows: claimed, armed, handed over, written
                   rows               one of them
                   declined           letters that a relay would not carry, until another does
                   journal            what is about to happen, and each answer, before anything is done about it
                   takeover           the rows of a worker that is gone
                   stay               how long a worker stays with its batch
                   pausing            when refusals and doubts are so many that a person must look
                   retries            what an outcome makes of a row, and when it is tried again

    the bytes      frame              what is the same in all messages of a digest, and which headers there are
                   assembly           the letter, encoded once; a member's values are spliced in
                   message            one message alone, and the ID that all attempts at it share
                   headers            names, subjects and links that stay in their lines
                   quoted_printable   text in pieces that can be put together
                   addresses          what may stand in an envelope
                   dkim               the signatures
                   keys               what they are made with

    the wire       ways               relays or a provider, and the engine that a thread keeps
                   relays             where to, as it was set
                   opening            greeting, EHLO, STARTTLS, AUTH
                   dialogue           MAIL to dot without a socket, and what became of each message
                   connection         one socket, its TLS and its time limits
                   engine             all connections in one loop
                   reading            replies out of a stream of bytes
                   replies            whom an answer is about: tables
                   outcomes           what may become of a message
                   conversation       one message alone, step by step: mails that are no digest
                   wire               the socket of that

    the manners    manners            the canary, warming up, the check of the list
                   warming            how much a new sender may send on which day
                   limits             rates and connections, as they were set
                   paces              what all workers keep together: rates, rests, the day's count
                   turns              whose turn it is, by what is known of the domains
                   lanes              a slow domain does not keep the others
                   refusals           when a domain asks for rest

    by HTTP        providers          what each provider can: a table
                   parcels            one letter as a request, and what the answer means
                   couriers           a few threads in the engine's place

    in doubt       doubts             what is known of a letter whose outcome is not
                   evidence           what settles it
                   relaylogs          what a relay's own log says of it
                   logfiles           the files that it lies in
                   logtimes           when its lines were written, and whether any are missing
"""
