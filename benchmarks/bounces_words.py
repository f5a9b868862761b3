"""More answers of mail servers, a line each, in a dozen languages; what they mean was judged by reading them.

None of them was looked at while the product's tables were first written. Half of them was then used to mend the tables,
the other half (from "access denied" on) only after they had been counted. rosa@members.example is a reader,
news@example.org and 192.0.2.9 are ours. The last two of POLICY are greylisting under a code of its own kind.
"""

from __future__ import annotations

POLICY = """
554 5.7.1 Your account has been suspended. Contact your provider
550 5.7.1 Sending account disabled for spam-like activity
535 5.7.8 Username and Password not accepted
535 Incorrect authentication data
550 5.7.60 SMTP; Client does not have permissions to send as this sender
553 5.7.1 <news@example.org>: Sender address rejected: not owned by user postmaster
550 5.1.0 <news@example.org>: Sender address rejected: User unknown in virtual mailbox table
450 4.1.8 <news@example.org>: Sender address rejected: Domain not found
553 5.1.8 <news@example.org>: Sender address rejected: Domain not found
550 Unroutable sender address
550 Sender unknown
550 5.1.7 Sender mailbox does not exist
550 5.1.8 sender domain does not exist
550 Invalid sender domain
550 Sender verify failed: 550 no such user here
550-Callback setup failed while verifying <news@example.org> 550-The mail server could not deliver mail to \
news@example.org. The account or domain may not exist, they may be blacklisted 550 Sender verify failed
550 Mail from domain example.org does not exist
550 5.7.1 Mail from: domain not found
501 5.1.8 Domain of sender address news@example.org does not resolve
550 Domain does not exist: example.org
550 The domain of the return path does not exist
550 5.7.1 Access denied. IP name lookup failed
550 5.7.25 Client host rejected: cannot find your reverse hostname, [192.0.2.9]
450 4.7.25 Client host rejected: cannot find your hostname, [192.0.2.9]
554 5.7.1 Client host rejected: Access denied
550 Cannot resolve your address 192.0.2.9
550 unresolvable relay host name
504 5.5.2 <news>: Helo command rejected: need fully-qualified hostname
550 5.7.1 Helo command rejected: Host not found
450 4.7.1 <news.example.org>: Helo command rejected: Host not found
550 Host not found: your HELO name does not resolve
550 Invalid HELO/EHLO domain
501 5.0.0 Invalid domain name
550 IP 192.0.2.9 is blacklisted by our provider. Go away
554 Go away
554 5.7.0 Your server IP address is in the SORBS database
550 5.7.1 Service unavailable, Client host [192.0.2.9] is on our local access list
550 Rejected because 192.0.2.9 is in a black list at bl.spamcop.net
554 Your network is temporarily blacklisted
550 Dynamic/zombied IPs not wanted
550 We do not accept mail from dynamic IPs
550 hosts with dynamic ip are rejected
550 sorry, that domain isn't in my list of allowed rcpthosts (#5.7.1)
553 sorry, that domain isn't in my list of allowed rcpthosts; no valid cert for gatewaying (#5.7.1)
550 not allowed to relay through this machine
550 This system is not configured to relay mail from 192.0.2.9
550 5.7.54 SMTP; Unable to relay recipient in non-accepted domain
550 relay not permitted
550 Relaying to this address denied for you
550 Please use the smtp server of your ISP
550 you must check for new mail before sending mail (POP before SMTP)
530 5.7.0 Authentication required
530 5.5.1 Authentication Required
550 5.7.57 Client not authenticated to send mail
454 4.7.0 TLS not available due to local problem
550 5.7.4 encryption needed
403 4.7.0 TLS handshake failed
403 4.7.0 not authenticated
451 5.7.3 STARTTLS is required to send mail
550 5.7.5 DANE validation failed: no matching TLSA record
550 5.4.8 MX hosts of example.com do not match MTA-STS policy
4.7.323 tlsa-invalid: The domain failed DANE validation
4.7.5 Remote certificate MUST have a subject alternative name matching the hostname (MTA-STS)
421 4.7.0 Too many errors from your host
421 4.3.2 Too many concurrent SMTP connections; please try again later.
421 Too many concurrent connections from your IP address
452 4.5.3 Too many recipients
450 4.7.0 Rate limit exceeded for sender
451 4.7.650 The mail server [192.0.2.9] has been temporarily rate limited due to IP reputation
450 4.4.2 Message rate exceeded, too many sends
421 4.7.1 Intrusion prevention active for [192.0.2.9]
421 RP-001 (BAY004-MC1F38) Unfortunately, some messages from 192.0.2.9 weren't sent. Please try again
550 5.7.1 Messages rejected: too many hops of forwarding; our filter said no (policy)
550 5.4.5 Daily sending quota exceeded
550 5.4.5 Daily user sending limit exceeded
452 4.3.1 Sender quota exceeded for today
454 Throttling failure: Daily message quota exceeded
554 Message rejected: Email address is not verified. The following identities failed the check in region EU-WEST-1: \
news@example.org
550 5.7.350 Remote server returned message detected as spam
550 5.7.501 Access denied, spam abuse detected
550 5.7.750 Service unavailable. Client blocked from sending from unregistered domains
550 5.7.705 Access denied, tenant has exceeded threshold
550 5.7.23 The message was rejected because of Sender Policy Framework violation
550 5.7.1 SPF check failed
550 5.7.1 The sender's IP is not listed in the domain's record of allowed hosts
550 5.7.20 No passing DKIM signature found
550 5.7.26 Unauthenticated email from example.org is not accepted due to domain's DMARC policy
550 5.7.1 Unauthenticated senders not allowed
550-5.7.27 The sending domain did not pass: SPF
550 5.7.28 Mail flood: sender exceeded its limits
550 5.7.7 ARC chain broken
554 5.7.1 This message was classified as bulk and is rejected
554 5.7.1 [P4] Message blocked due to spam content in the message
552 5.7.0 Our system detected an illegal attachment on your message
554 Transaction failed: message content unacceptable
554 5.6.0 Message contains invalid header
550 5.6.0 Lone CR or LF in headers
550 5.6.7 SMTPUTF8 is required, but was not offered by host
554 5.2.121 Message contained unsafe content: virus found in attachment
552 5.2.3 Message exceeds maximum fixed size
552 5.3.4 Message too big
552 message exceeds the maximum message size of the recipient
550 Message too large for the mailbox owner's allowed size
571 Message Refused
571 Delivery not authorized, message refused
550 5.7.1 Delivery not authorized, message refused
550 Message refused by administrative policy: your mailbox is not on the list of allowed senders
550 5.7.1 You are not on the list of senders that this user accepts mail from
550 user rosa only accepts mail from known senders
550 5.7.1 recipient is only accepting mail from specific email addresses
550 5.7.1 Message rejected due to user rules
550 You have been blocked by the recipient
554 5.7.1 User has blocked this sender
550 refused due to recipient preferences
550 5.7.1 The recipient's server has rejected the address because you are not a member of the list
550 Non-members may not post to this address
550 closed mailing list
550 5.7.1 TRANSPORT.RULES.RejectMessage; the message was rejected by organization policy
550 5.7.129 RESOLVER.RST.RestrictedToRecipientsPermission; not authorized
550 5.7.136 RESOLVER.RST.RecipientNotAuthorizedForSender
550 5.1.90 Your message can't be sent because you've reached your daily limit for message recipients
550 5.1.8 Access denied, bad outbound sender AS(42004)
550 5.7.64 TenantAttribution; Relay Access Denied
550 5.2.0 STOREDRV.Deliver.Exception:AccessDeniedException; sender is not allowed
550 El remitente no existe
550 5.1.8 El dominio del remitente no existe
550 5.7.1 Su dirección IP está en una lista negra
550 5.7.1 Correo rechazado por contenido sospechoso
550 5.7.1 Remitente no autorizado
550 5.7.1 Cuenta de envío suspendida por abuso
550 5.7.1 L'adresse de l'expéditeur est inexistante
550 5.7.1 Adresse IP inconnue ou sans résolution inverse
550 5.7.1 Votre adresse IP est sur liste noire
550 Emetteur invalide. Invalid Sender. OFR204_102
550 5.1.8 Absender-Adresse unbekannt
550 5.7.1 Absenderadresse nicht gültig
550 5.7.1 Ihre IP-Adresse ist nicht zugelassen
550 5.7.1 Ihr Mailserver hat kein gültiges Zertifikat; Adresse nicht akzeptiert
550 5.7.1 Empfänger nimmt nur von bekannten Absendern an
550 Remetente inexistente
550 5.7.1 Seu endereço IP inexistente no DNS reverso
550 5.7.1 Endereço do remetente não encontrado
550 5.1.8 Indirizzo mittente inesistente
550 5.7.1 Il mittente non esiste
550 5.7.1 Afzender adres onbekend
550 5.7.1 送信元アドレスが存在しません
550 5.7.1 Отправитель не существует
550 5.7.1 Ваш IP заблокирован
554 5.7.1 <news.example.org[192.0.2.9]>: Client host rejected: your domain does not exist
554 5.5.4 Error: send AUTH command first
503 5.5.1 bad sequence of commands
550 Your mail server address 192.0.2.9 is not found in our whitelist
550 5.7.1 Recipient mailbox protected: address of sender not known
553 mail rejected because your IP is in the PBL
554 5.7.1 ACL dns_rbl; Client host [192.0.2.9] blocked using dnsbl.sorbs.net=127.0.0.6
550 R1: HELO host does not exist
550 #5.7.1 Your access to submit messages to this e-mail system has been rejected.
550 SC-001 Mail rejected by Outlook.com for policy reasons
550 OU-002 Mail rejected by Windows Live Hotmail for policy reasons
550 DY-001 Mail rejected by Windows Live Hotmail for policy reasons. We generally do not accept email from dynamic \
IP's
554 5.7.5 Permanent error evaluating DMARC policy
550 5.7.511 Access denied, banned sender
550 Error: content rejected. http://example.com/urlblock?unknown-user
554 5.7.1 Rejected: 192.0.2.9 listed at hostkarma
550 5.0.350 Remote server returned an error -> 550 Rejected by header based Anti-Spoofing policy
550 Rejected by header based Anti-Spoofing: news@example.org
550 csi.mimecast.org Poor Reputation Sender
550 5.4.1 All recipient addresses rejected : Access denied (sender blocked)
550 permanent failure for one or more recipients (rosa@members.example:blocked)
550 Your message was blocked by Hornetsecurity
550 5.7.1 access denied (in reply to MAIL FROM command)
550 BadSenderMX
550 backscatter protection detected an invalid or expired email address
550 post by non-member to a members-only list
550 can't determine purported responsible address
554 connections not accepted from servers without a valid sender domain
550 denied by secumail valid-address-filter
553 email address is on senderfilterconfig list
501 5.1.7 fully qualified email address required
550 From: domain is invalid. Please provide a valid From:
550 news@example.org is not a registered gateway user
550 mailfrom domain is listed in spamhaus
550 returned mail not accepted here
550 sending this from a different address or alias using the settings
550 the domain has an outgoing mail suspension
550 server does not accept mail from news@example.org
550 sender is spammer
550 example.org is a dead domain
550 reject mail from news@example.org
550 access from ip address 192.0.2.9 blocked
553 Bad sender IP address
550 Refused - see https://block.example/192.0.2.9
554 Client host rejected: Abus detecte GU_EIB_02
554 client host rejected: may not be mail exchanger
550 Please confirm this mail server
550 Currently Sending Spam See: https://x.example
550 Domain example.org mismatches client ip
550 dns lookup failure: example.org try again later
550 Fix reverse DNS for 192.0.2.9
550 INVALID IP FOR SENDING MAIL OF DOMAIN example.org
550 IP/domain reputation problems
550 192.0.2.9 is in an RBL on rbl.example
550 news.example.org is not allowed to send mail from news@example.org
550 the mail server at 192.0.2.9 is blocked
550 Mail from 192.0.2.9 refused: see our pages
550 Message from 192.0.2.9 rejected based on blacklist
550 no access from mail server 192.0.2.9
550 Not currently accepting mail from your ip
550 Rejecting open proxy news.example.org
550 Server access 192.0.2.9 forbidden by invalid RDNS record of your mail server
550 Server IP 192.0.2.9 listed as abusive
421 service permits 2 unverifyable sending IPs
550 sorry, your remotehost looks suspiciously like spammer
550 Too many spams from your IP
451 Veuillez essayer plus tard. OFR_103
550 You are not allowed to connect
550 You are sending spam
550 the recipient is not accepting mail with attachments
554 5.7.1 header are not accepted
554 5.7.9 Header error
550 message given low priority
550 Messages with multiple addresses
554 Protocol violation
550 account not subscribed to SES
535 authentication credentials invalid
550 You must have authentication turned on in your email client
550 you don't authenticate or the domain isn't in my list of allowed rcpthosts
550 Authentification requise OFR_402
554 User arn:x is not authorized to perform ses:SendRawEmail on resource
550 appears to be unsolicited
554 Blacklisted URL in message
550 cyberoam anti spam engine has identified this email as a bulk email
550 message filtered. Refer to the Troubleshooting page
550 message looks like spam
550 Message rejected because of unacceptable content
550 Rejecting banned content
550 rejected: this message was rejected by Recurrent Pattern Detection System
550 the message was rejected due to classification as bulk mail
550 you're using a mass mailer
550 your message has been temporarily blocked by our filter
550 your email breaches local URIBL policy
550 recipient id refuse to receive mail
550 user refuses to receive this mail
550 user reject
550 account is protected by SpamSentry
550 as a relay we accept nothing
550 Insecure Mail Relay
550 not an open relay, so get lost
550 Relay not permitted
550 That domain isn't in my list of allowed rcpthosts
550 5.7.1 none/bad reputation
550 bad DNS PTR resource record
550 sender IP reverse lookup rejected
550 bad SPF records for example.org
550 news@example.org is not allowed to send from <192.0.2.9> per it's SPF Record
452 has exceeded the max emails per hour (100/100)
421 please try again slower
421 too many errors from your ip
421 trop de connexions, veuillez verifier votre configuration
421 Connection rate limit exceeded
452 4.3.2 Too many sessions opened
550 Duplicate header detected
550 This message is not RFC 5322 compliant. There are multiple Subject headers
550 5.7.0 (TSS09) All messages from 192.0.2.9 will be permanently deferred
550 Connection dropped: your host does not have a name
554 5.7.1 Sorry, your host is unknown to us
550 Address of your mail server is unknown in DNS
550 Return address does not exist
550 5.7.1 The envelope from address is not known here
550 MAIL FROM address not found
550 Domain of From address not found
550 Reply address is invalid
550 5.6.1 Message content not supported by the user's mailbox
451 4.7.1 Greylisting in action, please come back later
450 4.7.1 <rosa@members.example>: Recipient address rejected: Greylisted for 5 minutes
"""

SOFT = """
451 Temporary local problem - please try later
451 4.3.2 Please try again later
421 4.3.0 Temporary System Problem. Try again later
432 4.3.2 STOREDRV; mailbox server is temporarily unavailable
450 4.2.1 mailbox temporarily disabled
450 4.2.0 Mailbox unavailable
450 Requested mail action not taken: mailbox unavailable
450 4.2.1 Mailbox busy
452 4.3.1 Insufficient system storage
552 5.2.2 Over quota
552 5.2.2 <rosa@members.example> mailbox is full
550 5.2.2 rosa@members.example user's mailbox is full
554 5.2.2 <rosa@members.example>: Recipient address rejected: Mailbox is full / Blz.
552 Mailbox limit exeeded for this email address
552 5.2.2 The recipient's inbox is full
550 mailbox for rosa has exceeded its limit
450 4.2.2 El buzón ha superado su cuota
550 5.2.2 La boîte de réception est pleine
452 Das Postfach ist voll
452 4.2.2 Het postvak is vol
452 4.2.2 Почтовый ящик переполнен
452 4.2.2 Caixa de correio cheia
452 4.2.2 casella postale piena
connect to mx.members.example[198.51.100.3]:25: No route to host
connect to mx.members.example[198.51.100.3]:25: Network is unreachable
delivery temporarily suspended: lost connection with mx.members.example[198.51.100.3] while receiving the initial \
server greeting
conversation with mx.members.example[198.51.100.3] timed out while sending end of data -- message may be sent more \
than once
mail for members.example loops back to myself
550 4.4.7 Message delayed; 4.4.7 Message expired
554 5.4.7 [internal] exceeded max time without delivery
Message expired after 5 days; unable to deliver in 432000 seconds
554 5.4.0 Error: too many hops
554 5.3.0 mail system error, storage full
451 4.4.0 DNS query failed: SERVFAIL
Domain members.example: temporary lookup failure, host not found by name server (try again)
host or domain name not found, try again. Name service error for name=members.example type=AAAA
450 4.1.2 <rosa@members.example>: Recipient address rejected: Domain not found
451 4.1.1 unable to verify user, try later
550 5.2.0 user mailbox is locked
550 5.2.1 The user you are trying to contact is receiving mail too quickly.
550 5.3.2 System not accepting network messages
550 Account disabled temporarly for exceeding receiving limits
550 Boite du destinataire pleine OFR_417
550 delivery failed: over quota
552 disc quota exceeded
552 does not have enough space
552 exceeded storage allocation
552 user is over disk quota
552 mailbox exceeded the local limit
552 mailbox has exceeded its disk space limit
552 maildir delivery failed: Userdisk quota exceeded
552 Quota violation for rosa@members.example
552 recipient reached disk quota
552 recipient rejected: mailbox would exceed maximum allowed storage
552 The user's space has been used up
552 too much mail data
552 user has too many messages on the server
552 4.2.2 user over quota
451 aliasing/forwarding loop broken
550 can't create user output file
451 local configuration error
550 mail loops back to myself
451 5.3.5 system config error
550 queue file write error
451 service currently unavailable
421 timeout waiting for input
450 Unable to contact LDAP server. (#4.4.3)
"""

HARD = """
550 5.1.1 <rosa@members.example>: Email address could not be found, or was misspelled (G8)
550 sorry, user unknown
550 5.1.1 rosa@members.example is not a valid mailbox
550 rosa@members.example no such user here
550 unknown recipient
550 That user does not exist at this domain
553 5.1.2 We weren't able to find the recipient domain
550 5.1.1 The email account that you tried to reach does not exist
550 5.5.1 Mailbox does not exist
550 Not found recipient account
551 5.1.6 Recipient has moved
550 5.1.6 Address has changed; the mailbox is no longer in use
550 5.1.1 no existe ese usuario
550 5.1.1 La cuenta de correo no existe
550 5.1.1 Destinatario no encontrado
550 5.1.1 Cette adresse n'existe pas
550 5.1.1 Boîte aux lettres désactivée
550 5.1.1 Benutzer unbekannt
550 5.1.1 Die E-Mail-Adresse existiert nicht
550 5.1.1 Usuário não encontrado
550 5.1.1 Conta inexistente
550 5.1.1 Utente non trovato
550 5.1.1 Onbekende gebruiker
550 5.1.1 Пользователь не найден
550 5.1.1 ユーザが存在しません
550 5.1.1 该用户不存在
550 5.1.1 Nie ma takiego użytkownika
550 5.1.1 Användaren finns inte
550 5.1.1 Käyttäjää ei löydy
550 5.1.10 Recipient not found
550 5.1.2 Bad destination host
550 5.1.3 Invalid address syntax
550 5.1.1 vdelivermail: invalid or unknown virtual user
550 vdeliver: account is locked email bounced
550 5.2.1 This mailbox has been blocked due to inactivity
554 5.2.1 This user has been blocked for inactivity
550 5.1.1 recipient address has a null MX
550 5.1.1 bad address
550 <rosa@members.example> not found
550 archived recipient
550 BAD_RECIPIENT
550 can't accept user
550 destination server rejected recipients, unknown user
550 email address could not be found
550 is not a known user
550 is not an active address at this host
550 mailbox rosa does not exist
550 mailbox not present
550 no account by that name here
550 no existe dicha persona
550 no mailbox by that name is currently available
550 no such person at this address
550 thank you rejected: Account Unavailable:
550 nonexistent user
550 not a valid user here
550 rcpt <rosa@members.example> does not exist
550 There is no one at this address
550 This email address is wrong or no longer valid
550 unknown e-mail address
550 vdeliver: invalid or unknown virtual user
550 your envelope recipient is in my badrcptto list
550 invalid/inactive user
550 is a deactivated mailbox
550 mailbox currently suspended
550 user suspended
550 recipient suspend the service
554 Sorry your message cannot be delivered. This account has been disabled or discontinued
550 The e-mail address you entered couldn't be found
"""


def answers(kind: str) -> list[str]:
    """The lines of a kind: "hard", "soft" or "policy"."""
    return {"hard": HARD, "soft": SOFT, "policy": POLICY}[kind].strip().splitlines()
