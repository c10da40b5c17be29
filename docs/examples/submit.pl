#!/usr/bin/perl
# A client without a library: frames of a length and JSON over the instance's socket, as docs/protocol.md says.
# Submits COMMAND..., follows its events, and ends with its status.
use strict;
use warnings;
use Cwd;
use IO::Socket::UNIX;
use JSON::PP;

my $uri = $ENV{BOURN_URI} or die "no instance here: BOURN_URI isn't set\n";
my ($path) = $uri =~ m{^local://(/.*)} or die "$uri isn't on this host\n";
my $socket = IO::Socket::UNIX->new(Peer => $path) or die "$path: $!\n";
my $matchtag = 0;

sub request {
    my ($topic, $payload, %more) = @_;
    my $frame = encode_json({type => "request", topic => $topic, matchtag => ++$matchtag, payload => $payload, %more});
    print {$socket} pack("N", length $frame), $frame;
    $socket->flush;
}

sub response {
    read($socket, my $length, 4) == 4 or die "the instance has ended\n";
    read($socket, my $frame, unpack "N", $length);
    my $message = decode_json($frame);
    die "$message->{topic}: $message->{errstr}\n" if $message->{errnum} && $message->{errnum} != 61;    # ENODATA: the end
    return $message->{errnum} ? undef : $message->{payload};
}

my $jobspec = {
    version => 1,
    resources => [{type => "slot", count => 1, label => "task", with => [{type => "core", count => 1}]}],
    tasks => [{command => [@ARGV], slot => "task", count => {per_slot => 1}}],
    attributes => {system => {duration => 0, cwd => getcwd(), environment => {%ENV}}},
};
request("job-ingest.submit", {jobspecs => [$jobspec], jobs => [{jobspec => 0}]});
my $id = response()->{ids}[0];

my $status = 0;
request("job-info.eventlog-watch", {id => $id, path => "eventlog"}, flags => 1);
while (my $reply = response()) {
    for my $line (split /\n/, $reply->{event}) {
        my $event = decode_json($line);
        print "$event->{name}\n";
        $status = $event->{context}{status} if $event->{name} eq "finish";
    }
}
exit($status >> 8);
