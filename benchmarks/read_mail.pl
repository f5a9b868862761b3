#!/usr/bin/perl
# Reads messages with Perl's Email::MIME, and says of each what is in it: a second reader, of other people's making.
# In: for each message its length in bytes, a line end, and the message. Out: a line of JSON for each.
use strict;
use warnings;
use Digest::SHA qw(sha256_hex);
use Email::MIME;
use Encode qw(encode_utf8 decode);
use JSON::PP;

my $json = JSON::PP->new->canonical->utf8;
binmode STDIN;
$| = 1;

sub people {
    my ($mail, $name) = @_;
    return [] unless defined $mail->header_raw($name);
    return [map { [$_->phrase // '', $_->address // ''] } $mail->header_as_obj($name)->addresses];
}

while (defined(my $length = <STDIN>)) {
    chomp $length;
    my $got = read(STDIN, my $raw, $length);
    die "cut short" unless $got == $length;
    my $mail = Email::MIME->new($raw);
    my @parts;
    $mail->walk_parts(sub {
        my ($part) = @_;
        return if $part->subparts;
        my $text = decode('UTF-8', $part->body, Encode::FB_DEFAULT);
        $text =~ s/\r\n/\n/g;
        my ($type) = split /\s*;\s*/, $part->content_type;
        push @parts, [lc $type, sha256_hex(encode_utf8($text))];
    });
    my %said = map { $_ => join "\n", map { s/\s+/ /gr } $mail->header_str($_) }
        qw(Subject Message-ID Date List-Id List-Unsubscribe List-Unsubscribe-Post List-Archive Feedback-ID Precedence);
    print $json->encode({
        people => { map { $_ => people($mail, $_) } qw(From To Reply-To) },
        said => \%said,
        parts => \@parts,
    }), "\n";
}
